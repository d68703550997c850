// What matches the search among the rows: counted, stepped through, painted with the browser's own highlights.
const MOST_PAINTED = 2000;
const NAME = "log-search";

const rangesIn = (row, wanted) => {
  const ranges = [];
  const walker = document.createTreeWalker(row.querySelector(".log-text"), NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  const whole = nodes.map((node) => node.data).join("").toLowerCase();
  const place = (offset) => {
    for (const node of nodes) {
      if (offset <= node.length) return [node, offset];
      offset -= node.length;
    }
    return [nodes.at(-1), nodes.at(-1).length];
  };
  for (let at = whole.indexOf(wanted); at >= 0; at = whole.indexOf(wanted, at + wanted.length)) {
    const range = new Range();
    range.setStart(...place(at));
    range.setEnd(...place(at + wanted.length));
    ranges.push(range);
  }
  return ranges;
};

export class Search {
  constructor(rows) {
    this.rows = rows;
    this.wanted = "";
    this.hits = [];
    this.at = -1;
  }

  set(text) {
    this.clear();
    this.wanted = text.toLowerCase();
    this.look(this.rows.all());
  }

  // Looks at rows that came to the end; what came before the others needs `set`.
  look(rows) {
    if (!this.wanted) return;
    for (const row of rows) {
      const hit = row.folded.includes(this.wanted);
      row.classList.toggle("log-hit", hit);
      if (hit) this.hits.push(row);
    }
    this.paint();
  }

  clear() {
    for (const row of this.hits) row.classList.remove("log-hit", "log-current");
    this.hits = [];
    this.at = -1;
    this.wanted = "";
    if (CSS.highlights) CSS.highlights.delete(NAME);
  }

  paint() {
    if (!CSS.highlights || this.painting) return;
    this.painting = true;
    requestAnimationFrame(() => {
      this.painting = false;
      if (!this.wanted) return;
      const shown = this.hits.slice(-MOST_PAINTED);
      CSS.highlights.set(NAME, new Highlight(...shown.flatMap((row) => rangesIn(row, this.wanted))));
    });
  }

  // Hits that were trimmed from the page count no more.
  forget() {
    const current = this.hits[this.at];
    this.hits = this.hits.filter((row) => row.isConnected);
    this.at = this.hits.indexOf(current);
  }

  // The next row `by` steps on that can be seen, round the ends; null when there is none.
  step(by) {
    this.hits[this.at]?.classList.remove("log-current");
    const count = this.hits.length;
    let at = this.at < 0 ? (by > 0 ? -1 : count) : this.at;
    for (let tried = 0; tried < count; tried += 1) {
      at = (at + by + count) % count;
      const row = this.hits[at];
      const section = row.closest("details");
      if (section) section.open = true;
      if (!row.checkVisibility || row.checkVisibility()) {
        this.at = at;
        row.classList.add("log-current");
        return row;
      }
    }
    return null;
  }
}
