// Draws the metrics of an app with uPlot (vendor/uplot, a global): one chart for each [data-chart] of the page.
// The figures beside them come as HTML; they are asked for anew whenever the charts were.

const HEIGHT = 170;
const APART = 5000; // ms between two readings
const dates = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exact = new Intl.DateTimeFormat(undefined, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

const digits = (value) => (value >= 100 || Number.isInteger(value) ? Math.round(value) : value >= 1 ? value.toFixed(1) : value.toFixed(2));
const plain = (value) => String(digits(value));
const bytes = (value) => scaled(value, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]);
const megabytes = (value) => scaled(value, 1024, ["MB", "GB", "TB"]);
const time = (ms) => (ms < 1000 ? `${digits(ms)} ms` : `${digits(ms / 1000)} s`);
const cores = (value) => (value === 0 || value >= 0.1 ? value.toFixed(2) : value.toFixed(3));

function scaled(value, base, units) {
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit += 1;
  }
  return `${digits(value)} ${units[unit]}`;
}

/** The lines of each chart: [field of the answer, label, colour, dash]. Dashes tell apart what colours may not. */
const CHARTS = {
  requests: {
    words: plain,
    lines: [["succeeded", "2xx", "green"], ["redirected", "3xx", "azure", [8, 3]], ["refused", "4xx", "orange", [4, 3]], ["failed", "5xx", "red", [2, 2]]],
  },
  latency: { words: time, lines: [["p50", "p50", "azure"], ["p95", "p95", "orange", [8, 3]], ["p99", "p99", "red", [3, 3]]] },
  traffic: { words: bytes, lines: [["sent", "sent", "azure"], ["received", "received", "purple", [6, 3]]] },
  cpu: { words: cores, lines: [["cpu", "cores", "azure"]] },
  memory: { words: megabytes, lines: [["memory", "average", "azure"], ["memory_most", "most", "purple", [6, 3]]] },
  connections: { words: plain, lines: [["connections", "used", "azure"], ["limit", "at most", "orange", [6, 3]]] },
  size: { words: (value) => scaled(value, 1024, ["B", "kB", "MB", "GB", "TB"]), lines: [["size", "size", "azure"]] },
  hits: { words: (value) => `${digits(value)} %`, lines: [["hits", "hits", "green"]] },
  keys: { words: plain, lines: [["keys", "keys", "azure"]] },
  slow: { words: plain, lines: [["slow", "slow", "orange"]], bars: true },
  evictions: { words: plain, lines: [["evictions", "evicted", "red"]], bars: true },
  restarts: { words: plain, lines: [["restarts", "restarts", "red"]], bars: true },
};

/** A colour of the page as a canvas knows it: some of them are made of others. */
function colour(name) {
  probe.style.color = `var(--tblr-${name})`;
  return getComputedStyle(probe).color;
}
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

function axis(more) {
  return {
    stroke: () => colour("secondary"),
    grid: { stroke: () => colour("border-color"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    ...more,
  };
}

const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];

/** The points with a gap on both sides: a line would not show them. */
function alone(plot, series) {
  const values = plot.data[series];
  const found = [...values.keys()].filter((at) => values[at] != null && values[at - 1] == null && values[at + 1] == null);
  return found.length ? found : null;
}

/** Hours, and the day where one begins; days only where the marks are days apart. */
function moments(plot, splits, _, __, step) {
  return splits.map((at) => {
    const date = new Date(at * 1000);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0;
    return step >= 86_400 || midnight ? dates.format(date) : hours.format(date);
  });
}

function say(words) {
  document.getElementById("charts_status").textContent = words;
}

class Chart {
  constructor(figure, first) {
    this.kind = CHARTS[figure.dataset.chart];
    this.first = first;
    this.holder = figure.querySelector(".chart-plot");
    this.none = figure.querySelector(".chart-none");
    this.marks = new Map();
    this.shown = [];
    this.watch = new ResizeObserver(() => this.fit());
    this.holder.addEventListener("keydown", (event) => this.step(event));
  }

  options() {
    const { words, lines, bars } = this.kind;
    const paths = bars ? uPlot.paths.bars({ size: [0.8, 24], align: 1 }) : undefined;
    return {
      width: this.width(),
      height: HEIGHT,
      cursor: { sync: { key: "metrics" }, drag: { x: false, y: false } },
      scales: { x: { time: true, range: () => [this.data.first, this.data.end] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [axis({ values: moments, space: 64, size: 28 }), axis({ values: (_, splits) => splits.map((value) => words(value)), size: 64, incrs: bars ? WHOLE : undefined })],
      series: [
        { label: "Time", value: (_, at) => (at == null ? "–" : exact.format(new Date(at * 1000))) },
        ...lines.map(([, label, name, dash]) => ({
          label,
          dash,
          paths,
          width: bars ? 0 : 1.5,
          stroke: () => colour(name),
          fill: bars ? () => colour(name) : undefined,
          points: { show: false, size: 4, fill: () => colour(name), filter: bars ? undefined : alone },
          value: (_, value) => (value == null ? "–" : words(value)),
        })),
      ],
      hooks: { draw: [() => this.place()] },
    };
  }

  width() {
    const style = getComputedStyle(this.holder);
    return Math.max(160, this.holder.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight));
  }

  show(data) {
    this.data = data;
    this.shown = [data.times, ...this.kind.lines.map(([name]) => data[name])];
    if (this.plot) {
      this.plot.setData(this.shown);
    } else {
      this.plot = new uPlot(this.options(), this.shown, this.holder);
      this.watch.observe(this.holder);
    }
    this.none.hidden = this.shown.slice(1).some((values) => values.some((value) => value != null));
  }

  fit() {
    const width = this.width();
    if (width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  /** The deployments, as links over the plot. They can be reached by Tab in the first chart only: once is enough. */
  place() {
    const there = new Set();
    for (const mark of this.data.marks) {
      if (mark.at < this.data.first || mark.at > this.data.end) continue;
      there.add(mark.id);
      let link = this.marks.get(mark.id);
      if (!link) {
        link = document.createElement("a");
        link.href = mark.address;
        this.marks.set(mark.id, link);
      }
      if (!link.isConnected) this.plot.over.append(link);
      const name = mark.version ? `v${mark.version}` : "A deployment";
      link.className = `chart-mark chart-mark-${mark.state}`;
      link.title = `${name} ${mark.words}, ${exact.format(new Date(mark.at * 1000))}${mark.summary ? `: ${mark.summary}` : ""}`;
      link.setAttribute("aria-label", link.title);
      if (!this.first) link.tabIndex = -1;
      link.style.left = `${this.plot.valToPos(mark.at, "x")}px`;
    }
    for (const [id, link] of this.marks) {
      if (there.has(id)) continue;
      link.remove();
      this.marks.delete(id);
    }
  }

  /** Arrow keys move from point to point; Escape leaves them. */
  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1, Escape: 0 }[event.key];
    if (by === undefined || event.target !== this.holder || !this.plot) return;
    if (by) event.preventDefault();
    const last = this.data.times.length - 1;
    const at = this.plot.cursor.idx ?? (by > 0 ? -1 : last + 1);
    const next = Math.min(last, Math.max(0, at + by));
    this.plot.setCursor(by ? { left: this.plot.valToPos(this.data.times[next], "x"), top: HEIGHT / 2 } : { left: -10, top: -10 });
    if (by) say(this.words(next));
  }

  /** A point in words, for those who hear the page. */
  words(at) {
    const values = this.kind.lines.map(([name, label]) => `${label} ${this.data[name][at] == null ? "not measured" : this.kind.words(this.data[name][at])}`);
    return [exact.format(new Date(this.data.times[at] * 1000)), ...values].join(", ");
  }
}

class Charts {
  constructor(root) {
    this.source = root.dataset.source;
    this.charts = [...root.querySelectorAll("[data-chart]")].map((figure, at) => new Chart(figure, at === 0));
    this.read();
    document.addEventListener("visibilitychange", () => document.hidden || Date.now() < this.due || this.read());
    document.body.addEventListener("pod-changed", () => this.soon());
    new MutationObserver(() => this.charts.forEach(({ plot }) => plot?.redraw(false))).observe(document.documentElement, {
      attributeFilter: ["data-bs-theme"],
    });
  }

  /** A deployment changes its pod many times in a row. */
  soon() {
    if (document.hidden) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), Math.max(0, this.last + APART - Date.now()));
  }

  async read() {
    this.last = Date.now();
    clearTimeout(this.timer);
    let seconds = 15;
    this.due = Date.now() + seconds * 1000;
    try {
      const answer = await fetch(this.source, { headers: { Accept: "application/json" }, redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const data = await answer.json();
      for (const chart of this.charts) chart.show(data);
      seconds = Math.min(300, Math.max(15, data.step / 4));
      document.getElementById("charts").dataset.read = String(data.end);
      if (this.silent) say("");
      this.silent = false;
      if (this.again) document.body.dispatchEvent(new CustomEvent("metrics-read"));
      this.again = true;
    } catch {
      if (!this.silent) say("The charts could not be read anew; it is tried again.");
      this.silent = true;
    }
    this.due = Date.now() + seconds * 1000;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => document.hidden || this.read(), seconds * 1000);
  }
}

const root = document.getElementById("charts");
if (root) new Charts(root);
