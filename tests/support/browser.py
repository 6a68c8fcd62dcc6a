"""A real Chromium without a screen: the system's own program, led by Playwright, whose own browsers are not needed.

A `Visitor` is one person: cookies of their own, one page, and a record of every address they were led to.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Cookie, Response, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Root has no sandbox; the rest is what a browser does beside what it is asked to.
ARGUMENTS = """
    --no-sandbox --disable-gpu --disable-quic --no-first-run --no-proxy-server
    --disable-background-networking --disable-component-update --disable-sync
""".split()
WITHIN = 30_000  # milliseconds, for any step


@contextmanager
def chromium(names: Mapping[str, int] | None = None) -> Iterator[Browser]:
    """Starts one with an empty profile. Skips the test where there is none.

    While it runs, the event loop of its driver stands in this thread: no async test and no `asyncio.run` meanwhile.

    Args:
        names: host name → port of the loopback address that https to it leads to.
    """
    program = next((path for path in map(shutil.which, PROGRAMS) if path), None)
    if program is None:
        pytest.skip("there is no Chromium on the PATH: apt install chromium")
    mapped = ", ".join(f"MAP {name}:443 127.0.0.1:{port}" for name, port in (names or {}).items())
    arguments = [*ARGUMENTS, *([f"--host-resolver-rules={mapped}"] if mapped else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """One person in a browser of their own. Certificates are believed whoever made them."""

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context(ignore_https_errors=True)
        self.context.set_default_timeout(WITHIN)
        self.page = self.context.new_page()
        self.shown: list[str] = []  # every address that stood in the address bar
        self.answers: list[Response] = []  # to everything that was asked for, those that led on among them
        self.page.on("framenavigated", lambda frame: self.shown.append(frame.url))
        self.page.on("response", lambda answer: self.answers.append(answer))

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def go(self, address: str) -> str:
        """Goes there, and says where that ended."""
        answer = self.page.goto(address)
        assert answer is not None
        return answer.url

    def cookie(self, name: str) -> Cookie | None:
        return next((one for one in self.context.cookies() if one.get("name") == name), None)

    def fetch(self, address: str, **options: Any) -> dict[str, Any]:
        """What a script of the page gets: {status, headers, body}, or {failed} when the browser keeps it from it."""
        got: dict[str, Any] = self.page.evaluate(FETCH, [address, {"credentials": "include", **options}])
        return got


FETCH = """async ([address, options]) => {
  try {
    const answer = await fetch(address, options);
    const text = await answer.text();
    let body = text;
    try { body = JSON.parse(text); } catch { }
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body };
  } catch (error) {
    return { failed: error.name };
  }
}"""
