"""What a screen reader and weak eyes meet: axe-core's findings on the page."""

from __future__ import annotations

from importlib.resources import files

from playwright.sync_api import Page

AXE = files("axe_playwright_python").joinpath("axe.min.js")
# What is Gradio's own and can't be reached from here: rule, selector of the element, reason.
GRADIOS: tuple[tuple[str, str, str], ...] = ()
# Returns a line an element with a serious or critical violation that is not Gradio's.
FIND = """async ([exempt, rules]) => {
  // Of all rules one takes long, and is moderate at most.
  const all = {rules: {region: {enabled: false}}};
  const asked = rules ? {runOnly: {type: "rule", values: rules}} : all;
  const found = await axe.run(document, {resultTypes: ["violations"], preload: false, ...asked});
  return found.violations
    .filter((rule) => ["serious", "critical"].includes(rule.impact))
    .flatMap((rule) => rule.nodes
      .filter((node) => !exempt.some(([id, selector]) =>
        id === rule.id && document.querySelector(node.target[0])?.matches(selector)))
      .map((node) => `${rule.id} at ${node.target.join(" ")}: ${node.html.slice(0, 200)}`
        + ` (${node.any.concat(node.all, node.none).map((check) => check.message).join("; ")})`));
}"""
# What a dark page can fail in where a light one has not: it differs in colours alone.
OF_COLOURS = ["color-contrast", "link-in-text-block"]
WIDTHS = {"1440": (1440, 900), "390": (390, 844)}


def violations(page: Page, *, rules: list[str] | None = None) -> list[str]:
    """Return what is wrong with the page as it is now, by those rules or by all."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE.read_text("utf-8"))
    exempt = [[rule, selector] for rule, selector, _ in GRADIOS]
    found: list[str] = page.evaluate(FIND, [exempt, rules])
    return found


def violations_everywhere(page: Page, state: str) -> list[str]:
    """Return what is wrong in light and dark, on a wide screen and on a phone."""
    found = []
    # A colour on its way to another is no colour to be judged.
    page.emulate_media(reduced_motion="reduce")
    for name, (across, down) in WIDTHS.items():
        page.set_viewport_size({"width": across, "height": down})
        for theme, rules in (("light", None), ("dark", OF_COLOURS)):
            page.evaluate("on => document.body.classList.toggle('dark', on)", theme == "dark")
            page.wait_for_timeout(50)
            met = violations(page, rules=rules)
            found += [f"{state}, {theme}, {name}: {line}" for line in met]
    page.evaluate("document.body.classList.remove('dark')")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.wait_for_timeout(150)
    return found
