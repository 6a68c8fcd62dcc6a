"""Arguments and results of a call: there only where the server keeps them, for who called and for administrators."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.session_by_hand import Session
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually

WORD = "word-of-the-test"


def called(person: Person, server: str) -> str:
    """One call; its id, once its end is on the record."""
    session = Session(person.url, person.key(server), path=f"/mcp/{server}")
    session.call("echo", text=WORD)
    session.close()
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [row for row in person.requests(method="tools/call", server=server) if row["endedAt"]]
        return bool(found)

    eventually(there, within=20, what="the call is on the record")
    return str(found[0]["id"])


def peek(page: Page, name: str) -> None:
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("region", name=name, exact=True)).to_contain_text(WORD)


def test_what_a_server_keeps_is_shown_to_who_called_and_an_administrators_look_is_noted(
    open_reader: MakeReader,
    admin: Admin,
    make_user: Callable[[str], Person],
    upstreams: Upstreams,
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    keeping, quiet = (upstreams.http(fresh_name(name)) for name in ("keeps", "quiet"))
    serve({keeping.name: keeping.config(mcphub={"keepPayloads": True}), quiet.name: quiet.config()})
    person = make_user("ann")
    kept, not_kept = called(person, keeping.name), called(person, quiet.name)
    eventually(
        lambda: person.rest.get(f"/api/requests/{kept}")["hasPayload"], within=10, what="the payload is on the record"
    )

    page = open_reader(person).go(f"/activity?e={kept}")
    peek(page, "Arguments")
    expect(page.get_by_role("region", name="Result", exact=True)).to_contain_text(WORD)

    page = open_reader(admin).go(f"/admin/requests/{kept}")
    peek(page, "Arguments")
    page.goto(page.url.replace(kept, not_kept))
    expect(page.get_by_text(quiet.name).first).to_be_visible()
    expect(page.get_by_text("Arguments and result")).to_have_count(0)
    eventually(
        lambda: [row["actorName"] for row in admin.audit(type="export", user=person.username)] == ["admin"],
        within=10,
        what="the look is noted",
    )
