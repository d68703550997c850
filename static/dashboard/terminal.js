// <pod-terminal>: a shell in a running instance, with xterm (vendor/xterm, a global).
// What goes over the socket is told in apps/terminals/consumers.py.

const PART = 16 * 1024; // bytes of input in one message
const AHEAD = 64 * 1024; // bytes of input on their way at once
const PASTE = 4 * 1024 * 1024; // characters that wait to be sent; a longer paste is refused
const PING = 15000; // ms between two questions whether anybody is there
const OVER = { 4400: "The page and the platform misunderstood each other. Reload the page.", 4401: "You are signed out.", 4403: "You may not have a terminal here (any more)." };
const encoder = new TextEncoder();

// xterm makes <style> elements and style attributes; the page's policy lets in what has its nonce or is set as a property.
const { nonce } = document.getElementById("terminal_script");
const make = document.createElement.bind(document);
document.createElement = (name, options) => {
  const made = make(name, options);
  if (String(name).toLowerCase() === "style") made.nonce = nonce;
  return made;
};
const set = Element.prototype.setAttribute;
Element.prototype.setAttribute = function (name, value) {
  if (name === "style") this.style.cssText = value;
  else set.call(this, name, value);
};

const LIGHT = {
  background: "#fbfbfc", foreground: "#1d2733", cursor: "#1d2733", cursorAccent: "#fbfbfc", selectionBackground: "#bcd3f0",
  black: "#1d2733", red: "#b3261e", green: "#1a7431", yellow: "#8a5a00", blue: "#1f5fbf", magenta: "#8e3aa8", cyan: "#0b6f7c", white: "#66707c",
  brightBlack: "#57606a", brightRed: "#c62828", brightGreen: "#237a3b", brightYellow: "#946200", brightBlue: "#2a6fd6", brightMagenta: "#9c46b8", brightCyan: "#127a88", brightWhite: "#3a4552",
};
const DARK = {
  background: "#11161d", foreground: "#dce3ec", cursor: "#dce3ec", cursorAccent: "#11161d", selectionBackground: "#2f4a6d",
  black: "#5b6673", red: "#ff8a80", green: "#7bd88f", yellow: "#f0c674", blue: "#82b1ff", magenta: "#d7a1f0", cyan: "#7fdbe6", white: "#c5cdd8",
  brightBlack: "#8b96a3", brightRed: "#ffaba4", brightGreen: "#a0e8b0", brightYellow: "#ffdd94", brightBlue: "#a9c9ff", brightMagenta: "#e5c2f7", brightCyan: "#a8edf4", brightWhite: "#ffffff",
};

class PodTerminal extends HTMLElement {
  connectedCallback() {
    this.state = this.querySelector("[data-state]");
    this.over = this.querySelector("[data-over]");
    this.terminal = new window.Terminal({
      fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace", fontSize: 14, lineHeight: 1.15,
      cursorBlink: false, scrollback: 5000, minimumContrastRatio: 4.5, theme: this.colours(),
    });
    this.fit = new window.FitAddon.FitAddon();
    this.terminal.loadAddon(this.fit);
    this.terminal.open(this.querySelector("[data-screen]"));
    this.terminal.textarea.setAttribute("aria-label", "Terminal. Control Shift Escape leaves it.");
    this.terminal.attachCustomKeyEventHandler((event) => this.key(event));
    this.terminal.onData((text) => this.type(encoder.encode(text)));
    this.terminal.onBinary((text) => this.type(Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 255)));
    this.terminal.onResize(({ cols, rows }) => this.say({ resize: [cols, rows] }));
    this.themes = new MutationObserver(() => { this.terminal.options.theme = this.colours(); });
    this.themes.observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
    this.sizes = new ResizeObserver(() => this.fit.fit());
    this.sizes.observe(this.querySelector("[data-screen]"));
    this.addEventListener("click", (event) => this.press(event.target.closest("[data-do]")));
    this.querySelector("select").addEventListener("change", (event) => event.target.form.submit());
    this.reader(localStorage.getItem("terminal-reader") === "yes");
    this.fit.fit();
    this.connect();
  }

  disconnectedCallback() {
    this.themes.disconnect();
    this.sizes.disconnect();
    this.leave();
    this.terminal.dispose();
  }

  colours() {
    return document.documentElement.dataset.bsTheme === "dark" ? DARK : LIGHT;
  }

  /** Whether the terminal gets the key. */
  key(event) {
    if (event.key === "Escape" && event.ctrlKey && event.shiftKey) {
      if (event.type === "keydown") this.querySelector("[data-do]:not([hidden])").focus();
      return false;
    }
    return true;
  }

  press(button) {
    if (!button) return;
    if (button.dataset.do === "connect") this.connect();
    if (button.dataset.do === "end") this.leave("You ended the session.");
    if (button.dataset.do === "reader") this.reader(button.getAttribute("aria-pressed") !== "true");
  }

  reader(on) {
    this.terminal.options.screenReaderMode = on;
    this.querySelector("[data-do=reader]").setAttribute("aria-pressed", String(on));
    localStorage.setItem("terminal-reader", on ? "yes" : "no");
  }

  connect() {
    this.leave();
    this.terminal.reset();
    this.waiting = [];
    this.held = 0;
    this.away = 0;
    this.told = "";
    this.answered = true;
    this.show("connecting", "Connecting …");
    const { cols, rows } = this.terminal;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.dataset.socket}?columns=${cols}&rows=${rows}`);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => (typeof data === "string" ? this.hear(JSON.parse(data)) : this.write(data)));
    socket.addEventListener("close", ({ code }) => socket === this.socket && this.ended(this.told || OVER[code] || "The connection was lost, and the session with it."));
    this.socket = socket;
    this.pings = setInterval(() => this.ping(), PING);
    this.terminal.focus();
  }

  hear(message) {
    if ("session" in message) {
      this.show("open", "Connected");
      this.say({ resize: [this.terminal.cols, this.terminal.rows] });
    } else if ("taken" in message) {
      this.away -= message.taken;
      this.send();
    } else if ("over" in message) {
      this.told = message.over;
    } else {
      this.answered = true;
    }
  }

  write(data) {
    const socket = this.socket;
    this.terminal.write(new Uint8Array(data), () => socket === this.socket && this.say({ shown: data.byteLength }));
  }

  type(bytes) {
    if (!this.socket || this.held + bytes.length > PASTE) return;
    for (let at = 0; at < bytes.length; at += PART) this.waiting.push(bytes.slice(at, at + PART));
    this.held += bytes.length;
    this.send();
  }

  send() {
    while (this.socket?.readyState === WebSocket.OPEN && this.waiting.length && this.away < AHEAD) {
      const part = this.waiting.shift();
      this.held -= part.length;
      this.away += part.length;
      this.socket.send(part);
    }
  }

  say(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  ping() {
    if (!this.answered && !document.hidden) {
      this.leave("The platform does not answer: the session is given up.");
      return;
    }
    this.answered = false;
    this.say({ ping: Date.now() });
  }

  leave(words = "") {
    const socket = this.socket;
    this.socket = null;
    clearInterval(this.pings);
    socket?.close();
    if (socket && words) this.ended(words);
  }

  ended(words) {
    this.socket = null;
    clearInterval(this.pings);
    this.show("over", "Session ended", words);
    if (this.contains(document.activeElement)) this.querySelector("[data-do=connect]").focus();
  }

  show(state, word, words = "") {
    this.state.dataset.state = state;
    this.state.textContent = word;
    this.over.hidden = !words;
    this.over.textContent = words && `Session ended: ${words}`;
    this.querySelector("[data-do=connect]").hidden = state !== "over";
    this.querySelector("[data-do=end]").hidden = state === "over";
    this.terminal.options.disableStdin = state === "over";
  }
}

customElements.define("pod-terminal", PodTerminal);
