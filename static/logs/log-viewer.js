// <log-viewer data-stream data-url data-socket data-dropped data-last>: the markup is templates/logs/_viewer.html.
import { Feed } from "./feed.js";
import { Rows } from "./rows.js";
import { Search } from "./search.js";
import { words } from "./stages.js";

const MOST_ROWS = 20000; // on the page while it follows
const SLICE = 200; // lines added before the clock is looked at
const FRAME = 24; // milliseconds of work before the browser may draw and listen
const NEAR = 40; // pixels from the end that count as the end
const OLDER = 1000; // lines fetched when the top is reached
const MOST_PAGES = 20; // fetched in a row to reach a match further up
const WORDS = { connecting: "connecting", live: "LIVE", waiting: "connection lost, trying again", over: "", paused: "paused" };

class LogViewer extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector(".log-rows");
    this.tools = this.querySelector(".log-tools");
    this.field = this.querySelector(".log-search");
    this.level = this.querySelector(".log-level");
    this.jump = this.querySelector(".log-end");
    this.leaving = new AbortController();
    this.following = true;
    this.dropped = Number(this.dataset.dropped) || 0;
    this.waiting = [];
    this.missed = 0;
    this.rows ??= this.takeOver();
    this.search ??= new Search(this.rows);
    this.feed = new Feed(this.dataset.socket, {
      last: () => this.taken(),
      message: (message) => this.receive(message),
      state: (state, why) => this.say(state, why),
    });
    this.listen();
    this.fromAddress();
    this.tools.hidden = false;
    this.toEnd();
    this.feed.start();
  }

  disconnectedCallback() {
    this.feed.stop();
    this.leaving.abort();
    this.search.clear();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.frameTimer);
  }

  // The rows of the server's page become ours.
  takeOver() {
    const lines = [...this.box.querySelectorAll(".log-row")].map((row) => [
      Number(row.dataset.seq),
      Number(row.dataset.at),
      row.dataset.section,
      row.dataset.level,
      row.dataset.event ?? row.textContent,
    ]);
    this.box.replaceChildren();
    const rows = new Rows(this.box);
    for (const line of lines) {
      if (rows.last && line[0] > rows.last + 1) rows.gap(rows.last + 1, line[0] - 1, "are missing");
      rows.append([line]);
    }
    if (!lines.length) rows.last = Number(this.dataset.last) || 0;
    if (rows.first && rows.first <= this.dropped + 1) rows.head(this.dropped);
    return rows;
  }

  listen() {
    const on = (target, name, work) => target.addEventListener(name, work, { signal: this.leaving.signal });
    on(this, "click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) this.act(button.dataset.do, button);
    });
    on(this.field, "input", () => this.find());
    on(this.field, "keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.step(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && this.field.value) {
        event.preventDefault();
        this.field.value = "";
        this.find();
      }
    });
    on(this.level, "change", () => this.filter());
    on(this.box, "scroll", () => this.scrolled());
    on(document, "fullscreenchange", () => this.classList.toggle("log-full", document.fullscreenElement === this));
  }

  act(what, button) {
    const toggled = () => {
      const now = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(now));
      return now;
    };
    if (what === "only" || what === "time" || what === "wrap") {
      toggled();
      this.filter();
    } else if (what === "pause") this.pause(toggled());
    else if (what === "copy") this.copy(button);
    else if (what === "save") this.save();
    else if (what === "full") document.fullscreenElement ? document.exitFullscreen() : this.requestFullscreen?.();
    else if (what === "end") this.toEnd();
  }

  // --- lines

  taken() {
    const waiting = this.waiting.at(-1);
    if (!waiting) return this.rows.last;
    return waiting.gap ? waiting.gap[1] : waiting.lines.at(-1)[0];
  }

  receive(message) {
    if (!message.lines?.length && !message.gap) return;
    this.waiting.push(message);
    this.schedule();
  }

  schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    // A tab in the background draws no frames.
    if (document.hidden) this.frameTimer = setTimeout(() => this.draw(), 100);
    else this.frame = requestAnimationFrame(() => this.draw());
  }

  // Adds what waits, for as long as one frame may take. The rows that were added.
  take() {
    const added = [];
    const until = performance.now() + FRAME;
    while (this.waiting.length && performance.now() < until) {
      const message = this.waiting[0];
      if (message.gap) this.rows.gap(...message.gap, "are missing here");
      else for (const row of this.rows.append(message.lines.splice(0, SLICE))) added.push(row);
      if (!message.lines?.length) this.waiting.shift();
    }
    return added;
  }

  draw() {
    this.scheduled = false;
    const added = this.take();
    if (this.waiting.length) this.schedule();
    this.querySelector(".log-empty").hidden = this.rows.last > 0;
    this.search.look(added);
    if (this.following) {
      this.rows.trim(MOST_ROWS);
      this.search.forget();
      this.toEnd();
    } else {
      this.missed += added.length;
      this.follow(false);
    }
    this.tell();
    this.feed.ack(this.rows.last);
  }

  async older() {
    if (this.fetching || !this.dataset.url || !this.rows.first) return false;
    if (this.rows.first <= this.dropped + 1) {
      this.rows.head(this.dropped);
      return false;
    }
    this.fetching = true;
    try {
      const found = await this.ask({ before: this.rows.first, limit: OLDER });
      this.dropped = found.dropped;
      const fromEnd = this.box.scrollHeight - this.box.scrollTop;
      const added = this.rows.prepend(found.lines);
      if (this.search.wanted && added.length) this.search.set(this.search.wanted);
      if (!added.length || this.rows.first <= this.dropped + 1) this.rows.head(this.dropped);
      this.box.scrollTop = this.box.scrollHeight - fromEnd;
      this.tell();
      return added.length > 0;
    } catch {
      return false; // scrolling up once more asks again
    } finally {
      this.fetching = false;
    }
  }

  async ask(query) {
    const address = new URL(this.dataset.url, window.location.href);
    for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
    const answer = await fetch(address, { headers: { Accept: "application/json" }, signal: this.leaving.signal });
    if (!answer.ok) throw new Error(`the log answers ${answer.status}`);
    return answer.json();
  }

  // --- following

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.box;
    if (scrollHeight - scrollTop - clientHeight <= NEAR) this.follow(true);
    else if (scrollTop < this.top - 2 && scrollHeight >= this.height) this.follow(false);
    this.top = scrollTop;
    this.height = scrollHeight;
    if (scrollTop < 200 && !this.following) this.older();
  }

  follow(now) {
    this.following = now;
    if (now) this.missed = 0;
    this.jump.hidden = now;
    this.jump.textContent = this.missed ? `Jump to the end (${this.missed} new)` : "Jump to the end";
    this.mark();
  }

  toEnd() {
    this.follow(true);
    this.box.scrollTop = this.box.scrollHeight;
    this.top = this.box.scrollTop;
    this.height = this.box.scrollHeight;
  }

  pause(now) {
    if (now) {
      this.feed.stop();
      this.say("paused");
    } else {
      this.feed.start(); // goes on after the last line shown: nothing is missed
    }
  }

  say(state, why = "") {
    this.state = state;
    this.why = why;
    this.mark();
  }

  mark() {
    const status = this.querySelector(".log-status");
    const live = this.state === "live" && this.following;
    const text = this.why || (this.state === "live" && !live ? "not following" : WORDS[this.state] || "");
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("log-live", live);
    this.dataset.state = this.state || "";
  }

  // --- what is shown

  pressed(name) {
    return this.querySelector(`[data-do="${name}"]`).getAttribute("aria-pressed") === "true";
  }

  filter() {
    this.box.dataset.level = this.level.value;
    this.box.classList.toggle("log-times", this.pressed("time"));
    this.box.classList.toggle("log-nowrap", !this.pressed("wrap"));
    this.box.classList.toggle("log-only", this.pressed("only") && this.search.wanted !== "");
    if (this.following) this.toEnd();
    this.toAddress();
    this.tell();
  }

  find() {
    this.search.set(this.field.value);
    this.whole = null;
    clearTimeout(this.asking);
    const wanted = this.search.wanted;
    if (wanted && this.dataset.url && this.rows.first > this.dropped + 1) {
      this.asking = setTimeout(() => this.findAbove(wanted), 300);
    }
    this.filter();
  }

  async findAbove(wanted) {
    try {
      const { lines } = await this.ask({ search: wanted });
      if (wanted !== this.search.wanted) return;
      this.whole = lines.map((line) => line[0]);
      this.tell();
    } catch {
      this.whole = null; // the count of what is on the page stands
    }
  }

  async step(by) {
    const above = (this.whole || []).filter((seq) => seq < this.rows.first);
    if (above.length && (!this.search.hits.length || (by < 0 && this.search.at === 0))) {
      const current = this.search.hits[this.search.at];
      const wanted = above.at(-1);
      this.follow(false);
      for (let page = 0; page < MOST_PAGES && this.rows.first > wanted; page += 1) {
        if (!(await this.older())) break;
      }
      this.search.at = this.search.hits.indexOf(current);
    }
    const row = this.search.step(by);
    if (row) {
      this.follow(false);
      row.scrollIntoView({ block: "center" });
    }
    this.tell();
  }

  tell() {
    const { wanted, hits, at } = this.search;
    let text = "";
    if (wanted) {
      text = at < 0 ? `${hits.length} ${hits.length === 1 ? "match" : "matches"}` : `${at + 1} of ${hits.length}`;
      const above = (this.whole || []).filter((seq) => seq < this.rows.first).length;
      if (above) text += `, ${above} further up`;
    }
    const count = this.querySelector(".log-count");
    if (count.textContent !== text) count.textContent = text;
  }

  // --- the address keeps what is chosen

  toAddress() {
    const address = new URL(window.location.href);
    const keep = (name, value) => (value ? address.searchParams.set(name, value) : address.searchParams.delete(name));
    keep("log-search", this.field.value);
    keep("log-level", this.level.value);
    keep("log-only", this.pressed("only") ? "1" : "");
    keep("log-time", this.pressed("time") ? "1" : "");
    keep("log-nowrap", this.pressed("wrap") ? "" : "1");
    if (address.href !== window.location.href) window.history.replaceState(window.history.state, "", address);
  }

  fromAddress() {
    const query = new URL(window.location.href).searchParams;
    const press = (name, value) => this.querySelector(`[data-do="${name}"]`).setAttribute("aria-pressed", String(value));
    this.field.value = query.get("log-search") || "";
    this.level.value = query.get("log-level") || "";
    if (this.level.selectedIndex < 0) this.level.value = "";
    press("only", query.get("log-only") === "1");
    press("time", query.get("log-time") === "1");
    press("wrap", query.get("log-nowrap") !== "1");
    this.find();
  }

  // --- out of the page

  text() {
    const times = this.pressed("time");
    const visible = (row) => row.checkVisibility?.() ?? row.offsetParent;
    const whole = !this.level.value && !this.box.classList.contains("log-only");
    const said = ({ line }) => (times ? `${new Date(line.at).toISOString()} ${line.text}\n` : `${line.text}\n`);
    let text = "";
    for (const group of this.box.children) {
      if (whole && group.stage) text += `${words(group)}\n`;
      for (const row of group.querySelectorAll(".log-row")) if (visible(row)) text += said(row);
    }
    return text;
  }

  async copy(button) {
    const text = this.text();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without https browsers give no clipboard.
      const field = document.createElement("textarea");
      field.value = text;
      this.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    const label = button.textContent;
    if (label === "Copied") return;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  }

  save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.text()], { type: "text/plain" }));
    link.download = `${this.dataset.stream.replace(":", "-")}-shown.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}

if (!customElements.get("log-viewer")) customElements.define("log-viewer", LogViewer);
