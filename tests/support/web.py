"""The user interface as a person meets it: a browser that is signed in or not, and what every page must hold.

A `Reader` is one person with one page. What goes wrong leaves a picture in the folder that `MCPHUB_PICTURES` names, or
in the test's own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, Response, expect

from tests.support.browser import WITHIN
from tests.support.rest import Person
from tests.support.running import ROOT
from tests.support.waiting import eventually

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
KEPT = "cookies,local_storage,session_storage,indexeddb,cache_storage,service_workers"
QUIET, LOOK = 300, 50  # milliseconds in which a page asks for nothing, and between two looks
Language = Literal["en", "ko"]
Theme = Literal["light", "dark"]

expect.set_options(timeout=WITHIN)


# By browser, and by what a context was made for: contexts nobody uses, each with an empty page.
SPARE: WeakKeyDictionary[Browser, dict[tuple[Any, ...], list[tuple[BrowserContext, Page]]]] = WeakKeyDictionary()


class Reader:
    """One person in front of the interface.

    Their window may have been another's before: nothing is left of that but the files of the interface, which need not
    be fetched and read anew. That is more than half of what it costs to show a page.

    Args:
        url: of the hub.
        language, theme: as a browser that was here before remembers them.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        language: Language = "en",
        theme: Theme = "light",
        viewport: dict[str, int] | None = None,
    ) -> None:
        self.url = url
        size = viewport or WIDE
        self._spare = SPARE.setdefault(browser, {}).setdefault((url, language, theme, *size.values()), [])
        if self._spare:
            self.context, self.page = self._spare.pop()
        else:
            self.context = browser.new_context(
                viewport=size,  # type: ignore[arg-type]  # a size is a size
                locale="ko-KR" if language == "ko" else "en-GB",
                timezone_id="Asia/Seoul",
                color_scheme=theme,
                reduced_motion="reduce",
            )
            self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
            self.context.set_default_timeout(WITHIN)
            self.page = self.context.new_page()
        self.complaints: list[str] = []  # of the page, and answers of the hub that say it broke
        self.answers: list[Response] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", self._answered)
        # Not Playwright's idle network: that one waits for streams, which never end.
        self.under_way: set[Request] = set()
        self.page.on("request", self._asked)
        self.page.on("requestfinished", self._ended)
        self.page.on("requestfailed", self._ended)

    def close(self) -> None:
        self.context.close()

    def leave(self) -> None:
        """Makes room for the next one: pages, cookies and whatever else was kept go."""
        empty = self.context.new_page()
        for page in self.context.pages:
            if page is not empty:
                page.close()
        self.context.clear_cookies()
        session = self.context.new_cdp_session(empty)
        session.send("Storage.clearDataForOrigin", {"origin": self.url, "storageTypes": KEPT})
        session.detach()
        self._spare.append((self.context, empty))

    def _heard(self, message: ConsoleMessage) -> None:
        # A browser says of every refused request that it failed; what was refused is the page's to say.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def _asked(self, request: Request) -> None:
        if request.headers.get("accept") != "text/event-stream":
            self.under_way.add(request)

    def _ended(self, request: Request) -> None:
        self.under_way.discard(request)

    def _answered(self, answer: Response) -> None:
        self.answers.append(answer)
        if answer.status >= 500:
            self.complaints.append(f"{answer.request.method} {answer.url} answered {answer.status}")

    # coming in

    def sign_in(self, person: Person) -> "Reader":
        """By the API, with a session of this browser's own: quick, for tests of other things."""
        answer = self.context.request.post(
            f"{self.url}/api/auth/login", data={"username": person.username, "password": person.password}
        )
        assert answer.status == 200, answer.text()
        return self

    def sign_in_by_form(self, person: Person, *, texts: tuple[str, str, str]) -> None:
        """At the page, as a person does it.

        Args:
            texts: labels of the name, the password and the button.
        """
        self.page.get_by_label(texts[0], exact=True).fill(person.username)
        self.page.get_by_label(texts[1], exact=True).fill(person.password)
        self.page.get_by_role("button", name=texts[2], exact=True).click()

    def go(self, path: str) -> Page:
        """Goes there; the page is drawn when this returns."""
        self.page.goto(self.url + path)
        expect(self.page.locator("h1").first).to_be_visible()
        return self.page

    # what is there

    def clipboard(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def heading(self, name: str) -> Locator:
        return self.page.get_by_role("heading", name=name, exact=True)

    def path(self) -> str:
        """The address without the hub's own."""
        return self.page.url.removeprefix(self.url)

    def settled(self) -> None:
        """What the page asked for has come, and nothing says that it still loads."""
        until = time.monotonic() + WITHIN / 1000
        quiet = 0
        while quiet < QUIET:
            assert time.monotonic() < until, f"still under way: {sorted(one.url for one in self.under_way)}"
            self.page.wait_for_timeout(LOOK)
            quiet = 0 if self.under_way else quiet + LOOK
        expect(self.page.locator(".skeleton")).to_have_count(0)


# what holds on every page


def faults(page: Page) -> list[str]:
    """What axe finds: rule, how bad, and where."""
    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(AXE.read_text())  # not as a tag, which the page's policy forbids
    found: dict[str, Any] = page.evaluate(
        "standards => axe.run({ runOnly: { type: 'tag', values: standards } })", STANDARDS
    )
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}: {node['target']}"
        for violation in found["violations"]
        for node in violation["nodes"][:3]
    ]


def words_of_another_language(page: Page, language: Language) -> list[str]:
    """Texts of the page in Hangul where it is in English, and labels without Hangul that only exist in one language.

    Names people gave are no texts of the page: they stand in `code`, in monospace, in fields, or in `b`.
    """
    if language == "ko":
        return []
    hangul: list[str] = page.evaluate(HANGUL)
    return hangul


HANGUL = r"""() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const inside = node.parentElement.closest("code, .font-mono, b, script, style, [data-name], [lang=ko]");
    if (!inside && /[\uac00-\ud7a3]/.test(node.data) && node.data.trim() !== "한국어") found.push(node.data.trim());
  }
  return found;
}"""


def chosen(page: Page) -> dict[str, Any]:
    """What somebody chose on a page of rows, and what it shows for that: the address, fields, buttons that are pressed,
    choices, the rows, which of them is chosen, and the heading beside it.
    """
    found: dict[str, Any] = page.evaluate(CHOSEN)
    return found


def shows_again(page: Page, was: dict[str, Any]) -> None:
    """Waits until the page shows what was `chosen` once, no more and no less."""
    eventually(lambda: chosen(page) == was, within=10, what=lambda: f"shown again: {chosen(page)}, not {was}")


CHOSEN = """() => {
  const all = (selector, of) => [...document.querySelectorAll(`main ${selector}`)].map(of);
  return {
    address: location.pathname + location.search,
    fields: all("input", (field) => field.value),
    pressed: all("[aria-pressed=true], [aria-sort]", (button) => button.textContent),
    choices: all("[role=combobox]", (choice) => choice.textContent),
    rows: all("[data-row]", (row) => row.dataset.row),
    row: all("[data-row][aria-selected=true]", (row) => row.dataset.row),
    beside: all("aside h2", (heading) => heading.textContent),
  };
}"""


@dataclass(frozen=True)
class UiPage:
    """A page as its test file announces it: `PAGES = [UiPage(route="/connect")]`.

    Args:
        route: as the router calls it: `/admin/users/$userId`.
        path: where to go; '' is the route itself.
        who: who opens it; `fresh` is a new user each time.
        state: makes what the page should show and returns the path, for pages with a parameter. It is given the
            administrator, or the fresh user, whose own things no other page shows.
    """

    route: str
    path: str = ""
    who: Literal["nobody", "user", "auditor", "admin", "fresh"] = "user"
    state: Callable[[Any], str] | None = None


def picture(page: Page, folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    page.screenshot(path=path)
    return path
