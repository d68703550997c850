// The socket of one log: it comes back by itself, after the last line that was taken.
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;
const SETTLED = 5000; // an answer this long after opening means that the next wait is short again
const FINAL = {
  4400: "The log's address is not valid.",
  4401: "You are signed out: reload the page to sign in.",
  4403: "You may not see this log any more.",
};
const TOO_SLOW = 4408;
const ACK_WAIT = 1000; // each acknowledgement costs the server as much as a line, and there may be hundreds of us
const MOST_OWED = 1 << 20; // characters: far below what the server sends before it waits for us

export class Feed {
  // `last()` answers the last line taken; `state` is told "connecting", "live", "waiting" or "over", and why.
  constructor(path, { last, message, state }) {
    this.path = path;
    this.last = last;
    this.message = message;
    this.state = state;
    this.wait = FIRST_WAIT;
    this.stopped = true;
    this.owed = 0;
    this.online = () => !this.stopped && !this.socket && this.open();
  }

  start() {
    if (!this.stopped) return;
    this.stopped = false;
    window.addEventListener("online", this.online);
    this.open();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.acking);
    this.acking = null;
    window.removeEventListener("online", this.online);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  // Lines up to this one are shown.
  ack(seq) {
    this.shown = seq;
    if (this.owed > MOST_OWED) this.acknowledge();
    else this.acking ??= setTimeout(() => this.acknowledge(), ACK_WAIT);
  }

  acknowledge() {
    clearTimeout(this.acking);
    this.acking = null;
    this.owed = 0;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ ack: this.shown }));
  }

  open() {
    clearTimeout(this.timer);
    const address = new URL(this.path, window.location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("after", String(this.last()));
    this.state("connecting");
    const socket = (this.socket = new WebSocket(address));
    let opened = 0;
    socket.addEventListener("open", () => {
      opened = Date.now();
      if (socket === this.socket) this.state("live");
    });
    socket.addEventListener("message", (event) => {
      if (socket !== this.socket) return;
      this.owed += event.data.length;
      this.message(JSON.parse(event.data));
    });
    socket.addEventListener("close", (event) => {
      if (socket !== this.socket) return;
      this.socket = null;
      if (opened && Date.now() - opened > SETTLED) this.wait = FIRST_WAIT;
      this.ended(event.code);
    });
  }

  ended(code) {
    if (FINAL[code]) {
      this.stop();
      this.state("over", FINAL[code]);
      return;
    }
    const wait = code === TOO_SLOW ? 0 : this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.state("waiting");
    this.timer = setTimeout(() => this.open(), wait);
  }
}
