// What has the focus: what it is called, and whether something around it shows that.
() => {
  const at = document.activeElement;
  const label = at.labels && at.labels.length ? at.labels[0].innerText : "";
  const name = (at.getAttribute("aria-label") || label || at.innerText || "").trim().split("\n")[0].trim();
  const style = getComputedStyle(at);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const box = at.getBoundingClientRect();
  const inside = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  return { name, visible: at.matches(":focus-visible") && (outlined || style.boxShadow !== "none") && inside };
}
