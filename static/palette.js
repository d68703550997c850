// The palette: a combobox whose options come from the server, and the list of keys.
"use strict";
(() => {
  const palette = document.getElementById("palette");
  if (!palette) return;
  const keys = document.getElementById("keys");
  const input = palette.querySelector("input");
  const list = document.getElementById("palette-hits");
  const count = document.getElementById("palette-count");
  const mac = /Mac|iPhone|iPad/.test(navigator.platform);
  let chosen = null;
  let eager = false; // Enter was pressed before the answer was there

  const options = () => [...list.querySelectorAll(".palette-hit")];
  const answered = () => list.querySelector("[data-answer]")?.dataset.answer === input.value.trim();

  const choose = (option) => {
    chosen?.setAttribute("aria-selected", "false");
    chosen = option ?? null;
    if (!chosen) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    chosen.setAttribute("aria-selected", "true");
    chosen.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", chosen.id);
  };

  const step = (by) => {
    const all = options();
    if (!all.length) return;
    choose(all[(all.indexOf(chosen) + by + all.length) % all.length]);
  };

  const open = () => {
    if (palette.open || document.querySelector("dialog[open]:modal")) return;
    input.value = "";
    list.replaceChildren();
    choose(null);
    palette.showModal();
    input.focus();
    htmx.trigger(input, "palette-open");
  };

  const enter = (event) => {
    event.preventDefault();
    if (!answered()) eager = true;
    else if (chosen) chosen.click();
    else if (input.value.trim()) input.form.submit();
  };

  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") enter(event);
    else eager = false;
  });
  // Settled, not swapped: only then does htmx know the buttons that came.
  list.addEventListener("htmx:afterSettle", () => {
    const all = options();
    input.setAttribute("aria-expanded", "true");
    choose(all[0]);
    list.scrollTop = 0;
    count.textContent = all.length ? `${all.length} result${all.length === 1 ? "" : "s"}` : "Nothing found";
    if (eager && answered()) {
      eager = false;
      all[0]?.click();
    }
  });
  list.addEventListener("click", (event) => {
    if (event.target.closest("button.palette-hit")) palette.close();
  });
  palette.addEventListener("close", () => {
    eager = false;
    input.setAttribute("aria-expanded", "false");
  });

  const openKeys = () => document.querySelector("dialog[open]:modal") || keys.showModal();
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-palette], [data-keys], [data-close-keys]");
    if (!target) return;
    if ("palette" in target.dataset) open();
    else if ("keys" in target.dataset) openKeys();
    else keys.close();
  });
  document.addEventListener("keydown", (event) => {
    if ((mac ? event.metaKey : event.ctrlKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], dialog, .xterm")) return;
    if (event.key === "?") {
      event.preventDefault();
      openKeys();
    } else if (event.key === "/") {
      event.preventDefault();
      const filter = [...document.querySelectorAll("[data-filter]")].find((one) => one.checkVisibility());
      if (!filter) {
        open();
        return;
      }
      filter.focus();
      filter.select?.();
    }
  });
  if (mac) document.querySelectorAll("[data-modifier]").forEach((key) => (key.textContent = "⌘ K"));
})();
