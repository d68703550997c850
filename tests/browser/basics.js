// What every page owes its readers; answers a list of what is wrong, each a sentence with the element in it.
() => {
  // Colours on their way from one theme to the other are at neither.
  for (const animation of document.getAnimations()) {
    if (animation instanceof CSSTransition) animation.finish();
    else animation.cancel();
  }
  const wrong = [];
  const seen = (node) => !node.classList.contains("visually-hidden-focusable") && node.checkVisibility({ visibilityProperty: true, opacityProperty: true, contentVisibilityAuto: true }) && !node.closest("[inert], [aria-hidden=true]");
  const name = (node) => `<${node.tagName.toLowerCase()}${node.id ? "#" + node.id : ""} class="${node.className}"> ${(node.textContent || "").trim().slice(0, 40)}`;
  const labelled = (node) =>
    node.labels?.length || node.getAttribute("aria-label") || node.getAttribute("aria-labelledby") || node.title || (node.textContent || "").trim();

  if (document.documentElement.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((node) => seen(node) && node.getBoundingClientRect().right > innerWidth + 1);
    wrong.push(`the page is wider than the window: ${wide.slice(0, 3).map(name).join(" | ")}`);
  }
  if (document.querySelectorAll("h1").length !== 1) wrong.push(`${document.querySelectorAll("h1").length} h1`);
  let level = 1;
  for (const heading of [...document.querySelectorAll("h1, h2, h3, h4, h5")].filter(seen)) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1) wrong.push(`h${now} after h${level}: ${name(heading)}`);
    level = now;
  }
  for (const node of document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href]")) {
    if (seen(node) && !labelled(node)) wrong.push(`no name: ${name(node)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  for (const id of new Set(ids.filter((one, at) => ids.indexOf(one) !== at))) wrong.push(`two elements have the id ${id}`);
  for (const node of document.querySelectorAll("[aria-describedby], [aria-labelledby], label[for]")) {
    for (const attribute of ["aria-describedby", "aria-labelledby", "for"]) {
      for (const id of (node.getAttribute(attribute) || "").split(/\s+/).filter(Boolean)) {
        if (!document.getElementById(id)) wrong.push(`${attribute} names ${id}, which is not there: ${name(node)}`);
      }
    }
  }
  for (const button of [...document.querySelectorAll("a.btn, button, .nav-link, select")].filter(seen)) {
    const { width, height } = button.getBoundingClientRect();
    if (width < 20 || height < 20) wrong.push(`too small to be hit, ${width.toFixed()}×${height.toFixed()}: ${name(button)}`);
  }

  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  // The colour that `layers`, the lowest first, make together.
  const mixed = (layers) => {
    context.clearRect(0, 0, 1, 1);
    for (const layer of layers) {
      context.fillStyle = layer;
      context.fillRect(0, 0, 1, 1);
    }
    return context.getImageData(0, 0, 1, 1).data;
  };
  const luminance = ([red, green, blue]) =>
    [red, green, blue].map((part) => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
      .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const told = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !seen(node) || node.closest("script, style, template, :disabled, .visually-hidden, .disabled, option")) continue;
    const backgrounds = [];
    for (let around = node; around; around = around.parentElement) backgrounds.unshift(getComputedStyle(around).backgroundColor);
    const style = getComputedStyle(node);
    const base = ["#ffffff", ...backgrounds];
    const [text, ground] = [luminance(mixed([...base, style.color])), luminance(mixed(base))];
    const ratio = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    const key = `${node.className} ${style.color}`;
    if (ratio < (large ? 3 : 4.5) && !told.has(key)) {
      told.add(key);
      wrong.push(`contrast ${ratio.toFixed(2)} of ${style.color}: ${name(node)}`);
    }
  }
  return wrong;
}
