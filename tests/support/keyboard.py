"""A page without a mouse: the Tab key through all of it, arrows where one stop stands for several things."""

from playwright.sync_api import Page, expect

MOST, AT_ONCE = 400, 10  # stops of one page; presses between two looks


def out_of_reach(page: Page) -> list[str]:
    """What of the page the keyboard does not reach, where the focus is not seen, and where it does not get away.

    Of long lists the first rows stand for all. Leaves the focus, and what is chosen in lists, somewhere else.
    """
    page.evaluate(WATCH)
    for _ in range(0, MOST, AT_ONCE):
        for _ in range(AT_ONCE):
            page.keyboard.press("Tab")
        if page.evaluate("keyboard.over"):
            break
    else:
        return [f"more than {MOST} stops"]
    for at in range(page.evaluate("keyboard.sets.length")):
        for _ in range(page.evaluate("at => keyboard.enter(at)", at)):
            page.keyboard.press("ArrowRight")
    found: list[str] = page.evaluate("keyboard.left()")
    for rows in page.locator("main :is([role=grid], [role=listbox]):has([aria-selected])").all():
        rows.focus()
        page.keyboard.press("ArrowDown")
        expect(rows.locator("[aria-selected=true]"), "an arrow chooses a row").to_have_count(1)
    return found


# What takes a press is told by what React keeps of each element: an element of the page alone does not say it.
WATCH = """() => {
  const few = new CSSStyleSheet();
  few.replaceSync("[data-row] ~ [data-row] ~ [data-row] ~ [data-row] { visibility: hidden !important }");
  document.adoptedStyleSheets.push(few);

  const ROLES = ["button", "link", "switch", "checkbox", "radio", "tab", "combobox", "menuitem", "slider", "separator"];
  const STOPS = `a[href], button, input, select, textarea, summary, [contenteditable=true], [tabindex="0"],
    ${ROLES.map((role) => `[role=${role}][tabindex]`)}`;
  const SETS = "[role=tablist], [role=radiogroup], [role=toolbar]"; // one stop; arrows go on inside
  const PRESSES = ["onClick", "onDoubleClick", "onPointerDown", "onMouseDown"];
  const seen = (one) => one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0;
  const usable = (one) =>
    seen(one) && !one.matches(":disabled, [aria-disabled=true]") && !one.closest("[inert], [aria-hidden=true]");
  const look = (one) => {
    const around = [];
    for (let each = one; each && around.length < 6; each = each.parentElement) around.push(each);
    return around.map((each) => {
      const { outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor } = getComputedStyle(each);
      const { content } = getComputedStyle(each, "::after");
      return [outlineStyle, outlineWidth, boxShadow, borderColor, backgroundColor, content].join();
    }).join();
  };
  const called = (one) => {
    const name = one.getAttribute("aria-label") ?? one.textContent.trim();
    return `${one.tagName.toLowerCase()} ${one.getAttribute("role") ?? ""} '${name.slice(0, 60)}'`;
  };

  const wanted = [...document.querySelectorAll(STOPS)].filter(usable);
  const reached = new Set();
  const said = new Set();
  let first = null;
  let before = null;
  let focused = "";
  const keyboard = (window.keyboard = {
    over: false,
    sets: [...document.querySelectorAll(SETS)].filter(seen),
    enter(at) {
      const inside = [...keyboard.sets[at].querySelectorAll("[role][tabindex]")].filter(usable);
      inside.find((one) => one.tabIndex === 0)?.focus();
      return inside.length - 1;
    },
    left() {
      for (const one of wanted) {
        if (reached.has(one) || !one.isConnected || !usable(one)) continue;
        const group = one.type === "radio" && wanted.filter((other) => other.name === one.name);
        if (group && group.some((other) => reached.has(other))) continue;
        said.add(`never has the focus: ${called(one)}`);
      }
      for (const one of document.querySelectorAll("#root *")) {
        const props = one[Object.keys(one).find((key) => key.startsWith("__reactProps"))];
        if (!props || !seen(one) || !PRESSES.some((press) => props[press])) continue;
        const inside = one.closest(`${STOPS}, label, [role=row], [role=option]`);
        if (!inside && ![...one.querySelectorAll(STOPS)].some((stop) => reached.has(stop)))
          said.add(`takes a press and no key: ${called(one)}`);
      }
      return [...said];
    },
  });
  document.addEventListener("focusin", ({ target }) => {
    keyboard.over ||= target === first;
    first ??= target;
    reached.add(target);
    focused = look(target);
  });
  document.addEventListener("focusout", ({ target }) => {
    if (target.isConnected && look(target) === focused) said.add(`no sign of the focus: ${called(target)}`);
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Tab") return;
    const now = document.activeElement;
    if (now === before && now !== document.body) said.add(`the focus does not get away: ${called(now)}`);
    keyboard.over ||= now === before;
    before = now;
  }, true);

  const start = document.createElement("span"); // where the first press sets out from
  start.tabIndex = -1;
  document.body.prepend(start);
  start.focus();
  start.remove();
  first = null;
  reached.clear();
}"""
