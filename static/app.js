// The frame's behaviour: theme, questions, toasts, copying, relative times.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);

  // --- theme
  const setTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-set-theme][aria-pressed]")) {
      button.setAttribute("aria-pressed", String(button.dataset.setTheme === theme));
    }
  };

  // --- questions: hx-confirm is asked in a dialog of the page's own
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    const dialog = $("#confirm");
    $("#confirm-question").textContent = event.detail.question;
    dialog.returnValue = "no";
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.returnValue === "yes") event.detail.issueRequest(true);
      },
      { once: true },
    );
    dialog.showModal();
  });

  // --- focus: where what had it is gone after a swap (Cancel of what has ended), the place around it has it, or else the
  // content; never a button that came there instead, which the next press would be meant for by nobody
  let had = [];
  document.addEventListener("htmx:beforeSwap", () => {
    if (document.activeElement === document.body) return; // maybe taken by a swap that is still settling
    had = [];
    for (let node = document.activeElement; node && node !== document.body; node = node.parentElement) had.push(node);
  });
  document.addEventListener("htmx:afterSettle", () => {
    const [path, lost] = [had, document.activeElement === document.body];
    had = [];
    if (!path.length || !lost) return;
    const left = path.map((node) => (node.isConnected ? node : node.id && $(`#${CSS.escape(node.id)}`))).find(Boolean);
    (left?.closest("[tabindex]") ?? $("#content"))?.focus({ preventScroll: true });
  });

  // --- toasts: good news leaves by itself, bad news stays until it was read
  const LEAVES_AFTER = 6000;
  const tend = (toast) => {
    if (toast.dataset.tended) return;
    toast.dataset.tended = "yes";
    if (toast.dataset.toast !== "leave") return;
    const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 1000) : toast.remove());
    setTimeout(leave, LEAVES_AFTER);
  };
  const tendAll = () => document.querySelectorAll("[data-toast]").forEach(tend);
  const say = (text) => {
    const toast = document.createElement("div");
    toast.className = "toast show";
    toast.setAttribute("role", "alert");
    toast.dataset.toast = "leave";
    const body = document.createElement("div");
    body.className = "toast-body";
    body.textContent = text;
    toast.append(body);
    $("#toasts").append(toast);
    tend(toast);
  };
  document.addEventListener("htmx:oobAfterSwap", tendAll);
  document.addEventListener("htmx:sendError", () => say("The server does not answer. Try again in a moment."));

  // --- copying
  const copy = async (button) => {
    const field = button.parentElement.querySelector("input");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      // Without https browsers give no clipboard: select it for the person's own Ctrl-C.
      field?.select();
      document.execCommand("copy");
    }
    say("Copied.");
  };

  // --- relative times (the same words as apps/dashboard/environment.py)
  const inWords = (seconds) => {
    const size = Math.abs(seconds);
    if (size < 5) return "just now";
    for (const [limit, unit, word] of [[60, 1, "second"], [3600, 60, "minute"], [86400, 3600, "hour"], [2592000, 86400, "day"]]) {
      if (size >= limit) continue;
      const count = Math.floor(size / unit);
      const text = `${count} ${word}${count === 1 ? "" : "s"}`;
      return seconds > 0 ? `${text} ago` : `in ${text}`;
    }
    return null;
  };
  const refreshTimes = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const words = inWords((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (words) time.textContent = words;
    }
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-set-theme], [data-close-toast], [data-copy], dialog");
    if (!target) return;
    if (target.dataset.setTheme) setTheme(target.dataset.setTheme);
    else if ("closeToast" in target.dataset) target.closest(".toast").remove();
    else if ("copy" in target.dataset) copy(target);
    else if (target === event.target && target.tagName === "DIALOG") target.close("no"); // the backdrop
  });

  tendAll();
  refreshTimes();
  setInterval(refreshTimes, 10000);
})();
