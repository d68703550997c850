// Colour sequences of a line as text nodes in spans with classes; nothing of the line is ever parsed as markup.
const SEQUENCE = /\x1b\[([0-9;:]*)m/g;
const ATTRIBUTES = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const ENDS = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };
const CUBE = [0, 95, 135, 175, 215, 255];

// The nearest of the sixteen colours: the page allows no styles of its own to a span.
const nearest = (red, green, blue) => {
  const most = Math.max(red, green, blue);
  if (most - Math.min(red, green, blue) < 40) return most < 64 ? 0 : most < 150 ? 8 : most < 215 ? 7 : 15;
  const half = most / 2;
  return (red > half ? 1 : 0) + (green > half ? 2 : 0) + (blue > half ? 4 : 0) + (most > 200 ? 8 : 0);
};

const indexed = (number) => {
  if (!(number >= 0 && number <= 255)) return null;
  if (number < 16) return number;
  if (number > 231) {
    const grey = 8 + (number - 232) * 10;
    return nearest(grey, grey, grey);
  }
  const place = number - 16;
  return nearest(CUBE[Math.floor(place / 36)], CUBE[Math.floor(place / 6) % 6], CUBE[place % 6]);
};

// The colour that follows a 38 or 48 in `codes`, taking what belongs to it.
const extended = (codes) => {
  const kind = codes.shift();
  if (kind === 5) return indexed(codes.shift());
  if (kind === 2) {
    const [red, green, blue] = codes.splice(0, 3);
    return nearest(red || 0, green || 0, blue || 0);
  }
  return null;
};

const apply = (style, given) => {
  const codes = given.split(/[;:]/).map(Number);
  while (codes.length) {
    const code = codes.shift();
    if (code === 0) {
      style.on.clear();
      style.fg = style.bg = null;
    } else if (ATTRIBUTES[code]) style.on.add(ATTRIBUTES[code]);
    else if (ENDS[code]) ENDS[code].forEach((name) => style.on.delete(name));
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
    else if (code === 38) style.fg = extended(codes);
    else if (code === 48) style.bg = extended(codes);
    else if (code === 39) style.fg = null;
    else if (code === 49) style.bg = null;
  }
};

const classes = (style) => {
  const found = [...style.on].map((name) => `ansi-${name}`);
  if (style.fg !== null) found.push(`ansi-fg-${style.fg}`);
  if (style.bg !== null) found.push(`ansi-bg-${style.bg}`);
  return found.join(" ");
};

export const plain = (text) => (text.includes("\x1b") ? text.replace(SEQUENCE, "") : text);

// Adds `text` to `parent`.
export const paint = (parent, text) => {
  if (!text.includes("\x1b")) {
    parent.append(text);
    return;
  }
  const style = { on: new Set(), fg: null, bg: null };
  let from = 0;
  const add = (piece) => {
    if (!piece) return;
    const names = classes(style);
    if (!names) {
      parent.append(piece);
      return;
    }
    const span = document.createElement("span");
    span.className = names;
    span.append(piece);
    parent.append(span);
  };
  for (const match of text.matchAll(SEQUENCE)) {
    add(text.slice(from, match.index));
    apply(style, match[1]);
    from = match.index + match[0].length;
  }
  add(text.slice(from));
};
