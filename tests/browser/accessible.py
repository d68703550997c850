"""What axe-core (tests/browser/axe) has against the page that is shown: WCAG 2.2 A and AA, and its good practice."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
LOOKS = ("color-contrast", "link-in-text-block")  # what changes with the colours
LAYOUT = (*LOOKS, "target-size", "scrollable-region-focusable", "empty-heading", "region", "aria-hidden-focus")
_RUN = """async (rules) => {
  for (const animation of document.getAnimations()) {
    if (animation instanceof CSSTransition) animation.finish();
    else animation.cancel();
  }
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const runOnly = rules.length ? {type: "rule", values: rules} : {type: "tag", values: tags};
  const found = await axe.run(document, {resultTypes: ["violations"], runOnly});
  return found.violations.map((one) => {
    const nodes = one.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${node.html.slice(0, 160)}
      ${[...node.any, ...node.all, ...node.none].map((why) => why.message).join("; ").slice(0, 240)}`);
    return `axe ${one.id}, ${one.nodes.length} times: ${one.help}\\n    ${nodes.join("\\n    ")}`;
  });
}"""


def violations(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """A sentence with the elements for each rule that is broken; of `rules` alone, or of all."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)  # by the debugger: no script of the page, so that its policy has no say
    return list(page.evaluate(_RUN, list(rules)))
