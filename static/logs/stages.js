// Events between the lines (apps/logs/stages.py): a stage began or ended, the deployment came to its end.
const MARKS = { running: "", passed: "✓", succeeded: "✓", ready: "✓", failed: "✕", skipped: "–", cancelled: "–" };

const element = (name, className, text = "") => {
  const made = document.createElement(name);
  made.className = className;
  if (text) made.textContent = text;
  return made;
};

const duration = (seconds) => {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
};

// The event that a line's text is; null for what is none.
export const eventOf = (text) => {
  try {
    const said = JSON.parse(text);
    return said && typeof said.state === "string" && said.state in MARKS ? said : null;
  } catch {
    return null;
  }
};

// The header of a section: a mark, the name, how it ended and how long it took. `at`: when the event was written.
export const head = (group, said, at) => {
  group.stage = said;
  group.dataset.state = said.state;
  const summary = group.querySelector(":scope > summary");
  const mark = element("span", "log-mark", MARKS[said.state]);
  mark.setAttribute("aria-hidden", "true");
  const state = element("span", "log-state");
  if (said.state === "running") {
    const since = element("span", "log-took");
    since.dataset.since = new Date(at).toISOString(); // dashboard/pages.js counts
    state.append("running ", since);
  } else if (said.state === "skipped") state.textContent = said.note ? `skipped: ${said.note}` : "skipped";
  else state.textContent = typeof said.seconds === "number" ? `${said.state} in ${duration(said.seconds)}` : said.state;
  summary.replaceChildren(mark, element("span", "log-title", group.dataset.section), state);
};

// As apps/logs/stages.py has it in a download.
export const words = (group) => {
  const said = group.stage;
  if (said.state === "running") return `── ${group.dataset.section}`;
  return `── ${group.dataset.section} ${group.querySelector(":scope > summary > .log-state").textContent}`;
};
