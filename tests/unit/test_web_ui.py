"""The user interface as it is served: forms, caching, and what is never a page of it."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from mcphub.api.web_ui import WebUi, chosen, load_assets

PAGE = b"<!doctype html><title>MCPHub</title>"
SCRIPT = b"console.log('hub');" * 100
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / ".vite").mkdir()
    (tmp_path / "index.html").write_bytes(PAGE)
    (tmp_path / "theme.js").write_bytes(b"1")
    (tmp_path / ".fingerprint").write_text("x")
    (tmp_path / ".vite/manifest.json").write_text("{}")
    (tmp_path / "assets/index-a1b2.js").write_bytes(SCRIPT)
    (tmp_path / "assets/index-a1b2.js.br").write_bytes(b"brotli")
    (tmp_path / "assets/index-a1b2.js.gz").write_bytes(gzip.compress(SCRIPT))
    return tmp_path


class Behind:
    """The application behind: remembers what came through."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])


class Served:
    def __init__(self, folder: Path) -> None:
        self.behind = Behind()
        self.web = WebUi(load_assets(folder), self.behind)

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes] | None:
        """Status, headers and body; None when it was left to the application behind."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await self.web({"type": "http", "method": method, "path": path, "headers": raw}, None, send)
        if not sent:
            return None
        start, body = sent
        return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


@pytest.fixture
def served(folder: Path) -> Served:
    return Served(folder)


async def test_a_file_comes_in_the_best_form_the_client_takes(served: Served) -> None:
    async def form(accepted: str) -> tuple[str | None, bytes]:
        answer = await served.get("/assets/index-a1b2.js", accept_encoding=accepted)
        assert answer is not None
        assert answer[1]["content-type"] == "text/javascript; charset=utf-8"
        assert answer[1]["vary"] == "accept-encoding"
        return answer[1].get("content-encoding"), answer[2]

    assert await form("gzip, deflate, br") == ("br", b"brotli")
    assert await form("br;q=0, gzip") == ("gzip", gzip.compress(SCRIPT))
    assert await form("identity") == (None, SCRIPT)


def test_a_form_that_is_not_there_is_not_chosen() -> None:
    assert chosen("br, gzip", ["", "gzip"]) == "gzip"
    assert chosen("br, gzip", [""]) == ""
    assert chosen("br;q=nonsense", ["", "br"]) == ""


async def test_hashed_files_are_kept_for_ever_and_the_page_is_asked_for_again(served: Served) -> None:
    script, page = await served.get("/assets/index-a1b2.js"), await served.get("/", accept=BROWSER)

    assert script is not None
    assert page is not None
    assert script[1]["cache-control"] == "public, max-age=31536000, immutable"
    assert page[1]["cache-control"] == "no-cache"


async def test_what_a_browser_has_already_is_not_sent_again(served: Served) -> None:
    first = await served.get("/", accept=BROWSER)
    assert first is not None

    again = await served.get("/", accept=BROWSER, if_none_match=f'"other", W/{first[1]["etag"]}')
    changed = await served.get("/", accept=BROWSER, if_none_match='"other"')

    assert again is not None
    assert (again[0], again[2]) == (304, b"")
    assert changed is not None
    assert changed[0] == 200


@pytest.mark.parametrize("path", ["/", "/connect", "/settings", "/admin/users/list", "/setup", "/auth/error", "/x.y"])
async def test_a_browser_that_goes_to_a_page_gets_the_interface(served: Served, path: str) -> None:
    answer = await served.get(path, accept=BROWSER)

    assert answer is not None
    assert (answer[0], answer[2]) == (200, PAGE)


RESERVED = """
    /api /api/user/me /mcp /mcp/jira /oauth/token /.well-known/oauth-protected-resource /.well-known /sse /messages
    /health /livez /readyz /metrics /assets/gone-c3d4.js /config /login/config /API/x
""".split()


@pytest.mark.parametrize("path", RESERVED)
async def test_what_is_not_the_interfaces_never_gets_a_page(served: Served, path: str) -> None:
    assert await served.get(path, accept=BROWSER) is None
    assert served.behind.asked == [path]


async def test_a_script_that_asks_for_a_page_is_left_to_the_api(served: Served) -> None:
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5", ""):
        assert await served.get("/", accept=accept) is None
        assert await served.get("/admin/users/list", accept=accept) is None


async def test_only_reading_is_answered(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert await served.get("/connect", method=method, accept=BROWSER) is None


async def test_what_the_build_keeps_for_itself_is_no_file(served: Served) -> None:
    for path in ("/.fingerprint", "/.vite/manifest.json", "/assets/index-a1b2.js.br", "/../secret"):
        assert await served.get(path) is None


async def test_the_page_may_load_nothing_from_elsewhere(served: Served) -> None:
    answer = await served.get("/", accept=BROWSER)
    assert answer is not None
    policy = dict(part.strip().split(" ", 1) for part in answer[1]["content-security-policy"].split(";"))

    assert policy["default-src"] == policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"


def test_a_hub_that_was_not_built_has_no_interface(tmp_path: Path) -> None:
    assert load_assets(tmp_path / "nowhere") == {}
    (tmp_path / "assets").mkdir()
    assert load_assets(tmp_path) == {}
