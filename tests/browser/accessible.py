"""What people without a mouse or a screen meet: names and roles by axe-core, and a walk with the Tab key."""

import pytest

MOST = 400  # controls of one widget
BEGIN = """
place => {
  const end = () => Object.assign(document.createElement("button"), { innerText: "outside" });
  const [before, after] = [end(), end()], met = new Map();
  place.before(before);
  place.after(after);
  const controls = "button, input, select, textarea, summary, a[href], [tabindex]";
  const said = one => one.outerHTML.slice(0, 200);
  const look = one => {
    const { outline, boxShadow, borderColor, backgroundColor } = getComputedStyle(one);
    return outline + boxShadow + borderColor + backgroundColor;
  };
  place.addEventListener("focusin", ({ target }) => met.set(target, look(target)));
  before.focus();
  window.walk = {
    inside: () => place.contains(document.activeElement),
    after: () => document.activeElement === after || said(document.activeElement),
    before: () => document.activeElement === before || said(document.activeElement),
    faint: () => [...met].filter(([one, focused]) => look(one) === focused).map(([one]) => said(one)),
    missed: () => [...place.querySelectorAll(controls)]
      .filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.tabIndex >= 0)
      .filter(one => !met.has(one) && (one.type !== "radio" || one.checked))  // arrow keys go on from the checked one
      .map(said),
    end: () => [before, after].forEach(one => one.remove()),
  };
}
"""


def broken_rules(place) -> list[str]:
    """Return what axe-core finds wrong in a part of a page: unnamed controls, unknown roles, faint text and more."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    place.scroll_into_view_if_needed()
    place.page.evaluate(axe.Axe().axe_script)
    found = place.evaluate(
        "async place => (await axe.run(place, { resultTypes: ['violations'] })).violations"
    )
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def lost_by_tab(place) -> list[str]:
    """Press Tab through a part of a page, and Shift+Tab back; return what went wrong.

    Controls that had no focus, or whose focus cannot be seen, and those that do not let it go.
    """
    page, wrong = place.page, []
    place.scroll_into_view_if_needed()
    place.evaluate(BEGIN)
    for key, end in (("Tab", "after"), ("Shift+Tab", "before")):
        for _ in range(MOST):
            page.keyboard.press(key)
            if not page.evaluate("walk.inside()"):
                break
        if (at := page.evaluate(f"walk.{end}()")) is not True:
            wrong.append(f"{key} ends at: {at}")
    wrong += [f"not reached: {one}" for one in page.evaluate("walk.missed()")]
    wrong += [f"focus not seen: {one}" for one in page.evaluate("walk.faint()")]
    page.evaluate("walk.end()")
    return wrong
