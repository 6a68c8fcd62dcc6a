"""Fixtures of the tests in a browser: one Chromium for this folder, and a reader for each test."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.web import Reader, picture

MakeReader = Callable[..., Reader]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends before tests of other folders begin: while it runs, its event loop stands in this thread."""
    with chromium() as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: Any = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def open_reader(
    request: pytest.FixtureRequest, browser: Browser, hub: RunningHub, tmp_path: Path
) -> Iterator[MakeReader]:
    """Opens readers of the shared hub, or of another by `url=`, for somebody or nobody. A failure leaves pictures."""
    opened: list[Reader] = []

    def open_(who: Person | None = None, *, url: str = "", **options: Any) -> Reader:
        reader = Reader(browser, url or hub.url, **options)
        opened.append(reader)
        return reader.sign_in(who) if who is not None else reader

    yield open_
    keep_pictures(request, opened, tmp_path)
    failed = request.node.stash.get(FAILED, True)
    for reader in opened:
        if failed:
            reader.close()
        else:
            reader.leave()


def keep_pictures(request: pytest.FixtureRequest, readers: list[Reader], tmp_path: Path) -> None:
    """What readers of a test that failed see."""
    if request.node.stash.get(FAILED, True):
        folder = Path(os.environ.get("MCPHUB_PICTURES") or tmp_path)
        for number, reader in enumerate(readers):
            name = re.sub(r"\W+", "-", f"{request.node.name}-{number}")[:120]
            print(f"picture: {picture(reader.page, folder, name)}")


@pytest.fixture
def reader(open_reader: MakeReader, make_user: Callable[[str], Person]) -> Reader:
    """Somebody new, signed in."""
    return open_reader(make_user("reader"))


@pytest.fixture(scope="session")
def shared_people(hub: RunningHub) -> dict[str, Person]:
    """Who opens pages that only look: a user with a value and a key, an auditor, an administrator."""
    admin = hub.admin
    user, auditor = admin.user("page-reader"), admin.user("page-auditor")
    admin.rest.put(f"/api/admin/users/{auditor.id}/auditor", {"isAuditor": True})
    user.key("notebook")
    return {"user": user, "auditor": auditor, "admin": admin}
