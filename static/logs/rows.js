// The lines on the page: one row each, in groups by section, gaps marked. A row's `line` is what it shows.
// In a group the rows are in chunks, which the browser need not style or lay out while nobody sees them.
import { paint, plain } from "./ansi.js";
import { eventOf, head } from "./stages.js";

const CHUNK = 200; // rows

const two = (number) => String(number).padStart(2, "0");
const clock = (moment) =>
  `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}.${String(moment.getMilliseconds()).padStart(3, "0")}`;

const element = (name, className, text) => {
  const made = document.createElement(name);
  made.className = className;
  if (text) made.textContent = text;
  return made;
};

export const rowOf = ([seq, at, section, level, text]) => {
  const row = element("div", "log-row");
  row.dataset.level = level;
  row.line = { seq, at, section, level, text: plain(text) };
  row.folded = row.line.text.toLowerCase();
  const moment = new Date(at);
  const time = element("time", "log-time", clock(moment));
  time.dateTime = time.title = moment.toISOString();
  const body = element("span", "log-text");
  paint(body, text);
  row.append(time, body);
  return row;
};

const gapRow = (first, last, why) => {
  const count = last - first + 1;
  const row = element("div", "log-gap", `${count} ${count === 1 ? "line" : "lines"} ${why}`);
  row.gap = [first, last];
  return row;
};

const chunkOf = (rows) => {
  const chunk = element("div", "log-chunk");
  chunk.append(...rows);
  chunk.style.setProperty("--rows", rows.length); // as tall as this until it is seen
  return chunk;
};

// Adds rows to the end of a group.
const fill = (group, rows) => {
  const last = group.lastElementChild;
  const room = last?.className === "log-chunk" ? CHUNK - last.childElementCount : 0;
  if (room > 0) {
    last.append(...rows.slice(0, room));
    last.style.setProperty("--rows", last.childElementCount);
  }
  for (let at = Math.max(room, 0); at < rows.length; at += CHUNK) group.append(chunkOf(rows.slice(at, at + CHUNK)));
};

export class Rows {
  constructor(box) {
    this.box = box;
    this.first = 0; // the numbers of the first and last line here; 0: none
    this.last = 0;
    this.count = 0;
  }

  all() {
    return [...this.box.querySelectorAll(".log-row")];
  }

  group(section) {
    if (!section) {
      const group = element("div", "log-section");
      group.dataset.section = "";
      return group;
    }
    const group = element("details", "log-section");
    group.open = true;
    group.dataset.section = section;
    group.append(element("summary", "", section));
    return group;
  }

  // Lines newer than those here; what is known already is left out. The rows that were added.
  append(lines) {
    const added = [];
    let group = this.box.lastElementChild;
    let rows = [];
    for (const line of lines) {
      if (line[0] <= this.last) continue;
      const said = line[3] === "event" ? eventOf(line[4]) : null;
      if (said) {
        if (rows.length) fill(group, rows.splice(0));
        group = this.event(said, line, group, [...this.box.children], null);
        this.last = line[0];
        this.first ||= line[0];
        continue;
      }
      if (!group || group.dataset.section !== line[2]) {
        if (rows.length) fill(group, rows.splice(0));
        group = this.group(line[2]);
        this.box.append(group);
      }
      const row = rowOf(line);
      rows.push(row);
      added.push(row);
      this.last = line[0];
      this.first ||= line[0];
    }
    if (rows.length) fill(group, rows);
    this.count += added.length;
    return added;
  }

  // Lines older than those here, oldest first. The rows that were added.
  prepend(lines) {
    const older = lines.filter((line) => line[0] < this.first);
    const before = this.box.firstElementChild;
    const added = [];
    let group = null;
    let rows = [];
    const groups = [];
    for (const line of older) {
      const said = line[3] === "event" ? eventOf(line[4]) : null;
      if (said) {
        if (rows.length) fill(group, rows.splice(0));
        group = this.event(said, line, group, groups, before);
        if (!groups.includes(group)) groups.push(group);
        continue;
      }
      if (!group || group.dataset.section !== line[2]) {
        if (rows.length) fill(group, rows.splice(0));
        group = this.group(line[2]);
        this.box.insertBefore(group, before);
        groups.push(group);
      }
      const row = rowOf(line);
      rows.push(row);
      added.push(row);
    }
    if (rows.length) fill(group, rows);
    if (group && before && before.dataset.section === group.dataset.section && !before.begun) {
      group.append(...before.querySelectorAll(":scope > .log-chunk"));
      if (before.stage) head(group, before.stage, 0);
      before.remove();
    }
    if (older.length) this.first = older[0][0];
    this.count += added.length;
    return added;
  }

  // Puts an event into the header of its section; the section's group. `groups`: where to look for the one it ends.
  event(said, [seq, at, section], group, groups, before) {
    const last = group?.dataset.section === section && !group.stage ? group : null;
    const begins = said.state === "running";
    const running = begins ? null : groups.findLast((one) => one.dataset.section === section && one.stage?.state === "running");
    let found = running || last;
    if (!found) {
      found = this.group(section);
      found.begun = begins || said.state === "skipped"; // else its lines are further up
      found.seq = seq;
      this.box.insertBefore(found, before);
    }
    head(found, said, at);
    return running && group ? group : found;
  }

  gap(first, last, why) {
    if (last <= this.last) return;
    let group = this.box.lastElementChild;
    if (!group) this.box.append((group = this.group("")));
    fill(group, [gapRow(Math.max(first, this.last + 1), last, why)]);
    this.last = last;
  }

  // Marks what retention dropped, once there is nothing older to ask for.
  head(dropped) {
    if (!dropped || this.box.querySelector(".log-dropped")) return;
    const group = this.group("");
    const row = gapRow(1, dropped, "are older than logs are kept");
    row.classList.add("log-dropped");
    fill(group, [row]);
    this.box.prepend(group);
  }

  // Keeps the newest `most` rows.
  trim(most) {
    while (this.count > most) {
      const group = this.box.firstElementChild;
      const chunk = group.querySelector(":scope > .log-chunk");
      const row = chunk?.firstElementChild;
      if (row?.line) this.count -= 1;
      row?.remove();
      if (!chunk?.firstElementChild) chunk?.remove();
      if (!group.querySelector(":scope > .log-chunk")) group.remove();
    }
    const top = this.box.firstElementChild;
    const first = top?.querySelector(".log-chunk") ? top.querySelector(".log-row")?.line.seq : top?.seq;
    if (first) this.first = first;
  }
}
