// What the pods' pages do beyond plain HTML: refreshing live, rows in forms, the map's lines, dialogs.
// Everything works without this file, only less comfortably.

// A refresh leaves alone what somebody is typing, and nothing else that has the focus: Idiomorph would leave out all that
// is in it, and a region one has tabbed to would never change again. Asked at each refresh.
const TYPED_INTO = "input, textarea, select, [contenteditable]";
if (globalThis.Idiomorph) {
  Object.defineProperty(globalThis.Idiomorph.defaults, "ignoreActiveValue", {
    enumerable: true,
    get: () => Boolean(document.activeElement?.matches(TYPED_INTO)),
  });
}

const THROTTLE = 300;
const POLL = 10_000;

/** The socket of a pod: each message becomes one `pod-changed` event on <body>, at most every 300 ms. */
class PodSocket {
  constructor(path) {
    this.path = path;
    this.tries = 0;
    this.last = 0;
    this.timer = 0;
    this.ended = false;
    this.poll = setInterval(() => this.socket?.readyState !== WebSocket.OPEN && this.changed(), POLL);
    this.connect();
    addEventListener("pagehide", () => this.end(), { once: true });
    document.addEventListener("visibilitychange", () => document.hidden || this.missed && this.changed());
  }

  connect() {
    const address = new URL(this.path, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.socket.addEventListener("open", () => {
      if (this.tries) this.changed();
      this.tries = 0;
      this.mark("connected");
    });
    this.socket.addEventListener("message", () => this.changed());
    this.socket.addEventListener("close", (event) => this.closed(event));
  }

  closed(event) {
    if (this.ended) return;
    if (event.code === 4403) {
      this.end();
      location.reload();
      return;
    }
    this.mark("polling");
    this.tries += 1;
    setTimeout(() => this.ended || this.connect(), Math.min(15_000, 500 * 2 ** this.tries) * (0.5 + Math.random()));
  }

  /** Tell the page, now or as soon as 300 ms have passed since the last time; not while nobody looks. */
  changed() {
    if (this.ended || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.last = Date.now();
      this.missed = document.hidden;
      if (!document.hidden) document.body.dispatchEvent(new CustomEvent("pod-changed"));
    }, Math.max(0, this.last + THROTTLE - Date.now()));
  }

  mark(state) {
    document.body.dataset.live = state;
  }

  end() {
    this.ended = true;
    clearInterval(this.poll);
    clearTimeout(this.timer);
    // One that is still being opened goes with its page; closing it would only be complained about.
    if (this.socket.readyState === WebSocket.OPEN) this.socket.close();
  }
}

/** Counts the seconds of what is still running: <span data-since="2026-01-31T12:00:00+00:00">. */
function tick() {
  for (const mark of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, (Date.now() - Date.parse(mark.dataset.since)) / 1000);
    const whole = Math.floor(seconds);
    mark.textContent = whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
}

/** Draws the lines of the map: from each node to the ones its data-to names. */
class PodMap extends HTMLElement {
  connectedCallback() {
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(this);
  }

  disconnectedCallback() {
    this.watch.disconnect();
  }

  draw() {
    const svg = this.querySelector("svg.pod-map-lines");
    if (!svg) return;
    const frame = this.getBoundingClientRect();
    const paths = [];
    for (const from of this.querySelectorAll("[data-to]")) {
      for (const name of from.dataset.to.split(" ").filter(Boolean)) {
        const to = this.querySelector(`[data-node="${CSS.escape(name)}"]`);
        if (to) paths.push(this.line(from.getBoundingClientRect(), to.getBoundingClientRect(), frame));
      }
    }
    svg.replaceChildren(...paths);
  }

  line(a, b, frame) {
    const [x1, y1] = [a.right - frame.left, a.top + a.height / 2 - frame.top];
    const [x2, y2] = [b.left - frame.left, b.top + b.height / 2 - frame.top];
    const bend = Math.max(16, (x2 - x1) / 2);
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`);
    return path;
  }
}
customElements.define("pod-map", PodMap);

/** Adds a row to a list of rows from its <template>; `__n__` becomes the next number. */
function addRow(button) {
  const rows = button.closest("[data-rows]");
  const number = Number(rows.dataset.next);
  rows.dataset.next = number + 1;
  const holder = document.createElement("template");
  holder.innerHTML = rows.querySelector("template").innerHTML.replaceAll("__n__", number);
  rows.querySelector("[data-rows-body]").append(holder.content);
  const added = rows.querySelector("[data-rows-body]").lastElementChild;
  added.querySelector("input, select, textarea")?.focus();
  showWhen(added);
}

function removeRow(button) {
  const rows = button.closest("[data-rows]");
  button.closest("[data-row]").remove();
  rows.querySelector("[data-add-row]")?.focus();
}

/** Shows the fields whose condition holds: data-when="name=a|b" looks at the field `name`. */
function showWhen(root = document) {
  for (const field of root.querySelectorAll("[data-when]")) {
    const [name, wanted] = field.dataset.when.split("=");
    const scope = field.closest("form");
    const source = scope?.querySelector(`[name="${CSS.escape(name)}"]:checked, select[name="${CSS.escape(name)}"]`);
    field.hidden = source ? !wanted.split("|").includes(source.value) : false;
  }
}

/** A link stays one where the page has no such dialog. */
function openDialog(target, event) {
  const dialog = document.getElementById(target.dataset.dialog);
  if (!dialog) return;
  event.preventDefault();
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("[data-add-row], [data-remove-row], [data-dialog], [data-close]");
  if (!target) return;
  if ("addRow" in target.dataset) addRow(target);
  else if ("removeRow" in target.dataset) removeRow(target);
  else if ("close" in target.dataset) target.closest("dialog").close();
  else openDialog(target, event);
});
document.addEventListener("change", (event) => {
  const form = event.target.closest("form");
  if (form) showWhen(form);
});

/** Leaving a form with something typed asks first. */
function guard() {
  const form = document.querySelector("form[data-guard]");
  if (!form) return;
  let dirty = form.hasAttribute("data-dirty");
  form.addEventListener("input", () => (dirty = true));
  form.addEventListener("submit", () => (dirty = false));
  addEventListener("beforeunload", (event) => dirty && event.preventDefault());
}

/** A dialog that came open, because its form was refused, is a modal one where there are scripts. */
function reopen() {
  const dialog = document.querySelector("dialog[data-reopen]");
  if (!dialog) return;
  dialog.close();
  dialog.showModal();
}

const page = document.querySelector("[data-pod-socket]");
if (page) new PodSocket(page.dataset.podSocket);
setInterval(tick, 1000);
document.body.addEventListener("htmx:afterSwap", () => {
  tick();
  for (const map of document.querySelectorAll("pod-map")) map.draw(); // what came has no lines
});
tick();
showWhen();
guard();
reopen();
