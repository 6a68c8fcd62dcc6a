"""Do long lists scroll smoothly? ./hub bench frames [--events 10000] [--tools 1000] [--rounds 3]

A hub with that many events and a server with that many tools; Chromium opens the audit timeline and loads every event,
then the tools of the server, and scrolls each at two speeds: as somebody reads, and as somebody looks for something.
A frame is late when more than 50 ms lie between two of `requestAnimationFrame`. The bar: 1 % of the frames.

"plain" is the same script on ten thousand lines of text without any program: what is late there is so because of the
machine and of Chromium, which draws without a graphics card here. CPU milliseconds a frame, of the page's main thread
and of the whole browser, say more than times on a machine that others use.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from _hub import Hub, conditions, far, http_upstream, new_home, running
from _processes import HERE, cpu_seconds
from playwright.sync_api import Page, sync_playwright

LATE = 50  # milliseconds
EVENTS_A_USER = 3  # that _fill.py makes, at least
FRAMES = 600  # of a scroll
SPEEDS = {"reading": 40, "searching": 340}  # pixels a frame
WITHIN = 120_000  # milliseconds, for any step
GRID = "[role=grid]"
LINE = (
    '<div style="height:34px">18427 14:09:06 admin changed the config of <b>github-pr</b>, and how it is opened</div>'
)
PLAIN = f'<div role="grid" style="height:800px;overflow:auto">{LINE * 10_000}</div>'
HEAD = ("page", "scroll", "frames", "late", "", "p50 ms", "p99 ms", "longest", "CPU main", "CPU all")
# Down, and up again from the end on; milliseconds between two frames each. Nothing is read of the page meanwhile, as
# that would make it reckon its layout once more.
SCROLL = """
([grid, frames, pixels]) => new Promise((done) => {
  const box = document.querySelector(grid);
  const end = box.scrollHeight - box.clientHeight;
  const took = [];
  let last, at = 0, by = pixels;
  box.scrollTop = 0;
  const next = (now) => {
    if (last !== undefined) took.push(now - last);
    last = now;
    if (took.length === frames) return done(took);
    if (at + by < 0 || at + by > end) by = -by;
    at += by;
    box.scrollTop = at;
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
})
"""
TO_END = "(grid) => { const box = document.querySelector(grid); box.scrollTop = box.scrollHeight; }"
ROWS = "(grid) => Number(document.querySelector(grid)?.getAttribute('aria-rowcount') ?? 0) - 1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--tools", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as stack:
        upstream = stack.enter_context(http_upstream(tools=options.tools))
        home = stack.enter_context(new_home())
        with running(home) as hub:
            hub.serve({"filled": far(upstream), "many": {"type": "streamable-http", "url": upstream}})
        fill = [sys.executable, HERE / "_fill.py", str(home), "filled", str(options.events // EVENTS_A_USER + 1)]
        subprocess.run(fill, check=True, stdout=subprocess.DEVNULL, cwd=HERE)
        hub = stack.enter_context(running(home))
        page = stack.enter_context(browser(hub))
        print(conditions(), flush=True)
        show(*HEAD)
        scrolled(page, hub, "plain", options.rounds, lambda: page.set_content(PLAIN))
        scrolled(page, hub, "timeline", options.rounds, lambda: timeline(page, hub, options.events))
        scrolled(page, hub, "tools", options.rounds, lambda: tools(page, hub, options.tools))


@contextmanager
def browser(hub: Hub) -> Iterator[Page]:
    """A page of the administrator."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise SystemExit("there is no Chromium on the PATH: apt install chromium")
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--no-proxy-server"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            context = started.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
            context.set_default_timeout(WITHIN)
            answer = context.request.post(f"{hub.url}/api/auth/login", data=hub.credentials())
            if answer.status != 200:
                raise SystemExit(f"the administrator was not let in: {answer.text()}")
            yield context.new_page()
        finally:
            started.close()


def timeline(page: Page, hub: Hub, events: int) -> None:
    """The audit timeline with so many events in it."""
    page.goto(f"{hub.url}/admin/audit")
    page.wait_for_selector(f"{GRID} [data-row]")
    loaded = 0
    while loaded < events:
        page.evaluate(TO_END, GRID)
        page.wait_for_function(f"([grid, before]) => ({ROWS})(grid) > before", arg=[GRID, loaded])
        loaded = page.evaluate(ROWS, GRID)


def tools(page: Page, hub: Hub, count: int) -> None:
    page.goto(f"{hub.url}/servers/many?tab=tools")
    page.wait_for_function(f"([grid, count]) => ({ROWS})(grid) === count", arg=[GRID, count])


def scrolled(page: Page, hub: Hub, name: str, rounds: int, opened: Callable[[], None]) -> None:
    """Prints a line for each speed."""
    opened()
    inspector = page.context.new_cdp_session(page)
    inspector.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        """Milliseconds of CPU of the main thread so far."""
        found: dict[str, Any] = inspector.send("Performance.getMetrics")
        return next(float(one["value"]) * 1000 for one in found["metrics"] if one["name"] == "TaskDuration")

    def whole() -> float:
        """Of all processes of the browser, and of what leads it."""
        return (cpu_seconds(os.getpid()) - hub.cpu()) * 1000

    for speed, pixels in SPEEDS.items():
        took: list[float] = []
        main_before, whole_before = busy(), whole()
        for _ in range(rounds):
            took += page.evaluate(SCROLL, [GRID, FRAMES, pixels])
        cpu = [(busy() - main_before) / len(took), (whole() - whole_before) / len(took)]
        late = sum(each > LATE for each in took)
        times = [statistics.median(took), statistics.quantiles(took, n=100)[-1], max(took)]
        shown = [f"{each:.1f}" for each in [*times, *cpu]]
        show(name, speed, str(len(took)), str(late), f"{late / len(took):.1%}", *shown)


def show(name: str, *cells: str) -> None:
    print(f"{name:10}" + "".join(f"{cell:>10}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
