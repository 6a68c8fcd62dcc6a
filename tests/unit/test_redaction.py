import asyncio
import io
import json
import logging as stdlib
import sys
from base64 import b64encode

import pytest
import structlog

from mcphub import logging
from mcphub.domain.keys import PREFIX
from mcphub.logging import SECRET_TEXT, LogFilter, LogRing, configure, redacted
from tests.support.waiting import until

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl"


@pytest.fixture
def set_up(monkeypatch):
    """Configures logging as the hub does; afterwards everything is as before. Returns (ring, written lines)."""
    root = stdlib.getLogger()
    before = root.handlers[:], root.level
    levels = {name: stdlib.getLogger(name).level for name in logging.NOISY}
    stderr = io.StringIO()
    monkeypatch.setattr(logging, "_often", None)

    def make(level="debug", style="json"):
        monkeypatch.setattr(sys, "stderr", stderr)  # here, for pytest puts its own back after the set-up phase
        ring = configure(level, style)
        return ring, lambda: [json.loads(line) for line in stderr.getvalue().splitlines()]

    yield make
    structlog.reset_defaults()
    root.handlers[:], root.level = before
    for name, level in levels.items():
        stdlib.getLogger(name).setLevel(level)


@pytest.mark.parametrize(
    "secret",
    [
        PREFIX + "0123456789abcdefghijABCDEFGHIJ01abcdef",
        "mcphub_at_0123456789abcdef",
        "ghp_0123456789abcdefghij",
        "github_pat_0123456789abcdefghij",
        "xoxb-0123456789-abc",
        "sk-0123456789abcdefghij",
        "AKIA0123456789ABCDEF",  # scan:allow
        JWT,
    ],
)
@pytest.mark.parametrize("around", ["{}", "before {} after", "https://h/?a={}&b=1", '{{"a": "{}"}}', "Bearer {}"])
def test_a_secret_of_a_known_form_is_removed_wherever_it_stands(secret, around):
    assert secret not in redacted(around.format(secret))


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("GET /mcp?key=s3cret&x=1", "GET /mcp?[hidden]&x=1"),
        ("/cb?code=s3cret", "/cb?[hidden]"),
        ("/cb?a=1&state=s3cret", "/cb?a=1&[hidden]"),
        ("postgresql://bob:s3cret@host/db", "postgresql://[hidden]@host/db"),  # scan:allow
        ("Authorization: Bearer s3cret", "Authorization: [hidden]"),
        ("Authorization: Basic czNjcmV0czNjcmV0", "Authorization: [hidden]"),
    ],
)
def test_a_secret_is_removed_by_where_it_stands(text, rest):
    assert redacted(text).replace(" [hidden]", "[hidden]") == rest.replace(" [hidden]", "[hidden]")


@pytest.mark.parametrize("text", ["tools/call", "no key given", "basic rule", "0197a0aa-0000-7000-8000-000000000001"])
def test_harmless_text_stays(text):
    assert redacted(text) == text


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "set-cookie", "access_token", "client_secret", "PASSWORD", "apiKey", "api_key", "X-API-Key"),
        *("key", "signing_key", "private-key", "dsn", "DATABASE_URL", "args", "env"),
    ],
)
def test_a_value_under_a_telling_name_is_removed(name):
    assert redacted({name: "harmless looking"}) == {name: "[hidden]"}


def test_an_id_a_flag_or_nothing_is_no_secret():
    given = {"key_id": "k1", "token": "", "has_token": True, "cookie": None, "monkey": "x"}

    assert redacted(given) == given


def test_secrets_are_found_in_depth_and_in_names():
    assert redacted({"a": [{"b": (JWT,)}], JWT: 1}) == {"a": [{"b": ["[hidden]"]}], "[hidden]": 1}


@pytest.mark.parametrize("secret", [b"s3cret", bytearray(b"s3cret"), memoryview(b"s3cret")])
def test_bytes_are_shown_as_their_length(secret):
    assert redacted(secret) == "6 bytes"


def test_what_is_long_or_deep_is_cut():
    deep: list = []
    for _ in range(20):
        deep = [deep]

    assert redacted("x" * 70_000) == "x" * 4096 + "…"
    assert len(redacted(list(range(1000)))) == 100
    assert json.dumps(redacted(deep), ensure_ascii=False).count("[") == 6


def test_a_traceback_is_redacted_too(set_up):
    _, written = set_up()
    try:
        raise ValueError(f"cannot use {JWT}")
    except ValueError:
        structlog.get_logger().exception("call_failed")

    (line,) = written()
    assert "cannot use [hidden]" in line["exception"]
    assert JWT not in json.dumps(line)


def test_the_standard_librarys_loggers_take_the_same_way(set_up):
    ring, written = set_up()
    stdlib.getLogger("somebody.else").warning("sent %s", JWT)

    (line,) = written()
    assert (line["event"], line["logger"], line["level"]) == ("sent [hidden]", "somebody.else", "warning")
    assert ring.page()[0]["event"] == "sent [hidden]"


def test_what_was_bound_to_the_context_is_in_the_line(set_up):
    _, written = set_up()
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("call_ended", server="jira")

    (line,) = written()
    assert (line["request_id"], line["server"], line["logger"]) == ("r1", "jira", __name__)
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize("name", ["httpx", "httpx2", "aiohttp.access", "uvicorn.access"])
def test_libraries_that_write_addresses_keep_silent(set_up, name):
    _, written = set_up("info")
    stdlib.getLogger(name).info("GET https://h/?code=abc")

    assert written() == []


def test_lines_below_the_level_are_not_written(set_up):
    ring, written = set_up("warning")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")

    assert [line["event"] for line in written()] == ["loud"]
    assert [line["event"] for line in ring.page()] == ["loud"]


def test_no_form_of_a_canary_under_a_telling_name_is_written(set_up):
    """Raw, encoded, or as the text of an object that holds it."""
    ring, written = set_up()
    canary = "c4nary-9f8e7d6c5b4a"
    forms = [canary, b64encode(canary.encode()).decode(), canary.replace("-", "%2D")]
    for form in forms:
        structlog.get_logger().error("failed", token=form, headers={"Authorization": form}, raw=form.encode())

    text = json.dumps([written(), ring.page()])
    assert len(written()) == 3
    assert [form for form in forms if form in text] == []


def fill(ring, *events):
    for level, logger, event in events:
        ring.keep(None, "", {"level": level, "logger": logger, "event": event})


def test_the_ring_keeps_the_newest_records():
    ring = LogRing(size=3)
    fill(ring, *(("info", "a", str(number)) for number in range(5)))

    assert [record["event"] for record in ring.page()] == ["4", "3", "2"]
    assert [record["event"] for record in ring.page(limit=1)] == ["4"]


def test_a_page_of_the_ring_is_filtered():
    ring = LogRing()
    fill(ring, ("info", "mcphub.api", "Signed in"), ("error", "mcphub.gateway", "failed"), ("debug", "mcphub.api", "x"))

    assert [record["event"] for record in ring.page(LogFilter(level="info"))] == ["failed", "Signed in"]
    assert [record["event"] for record in ring.page(LogFilter(source="mcphub.api"))] == ["x", "Signed in"]
    assert [record["event"] for record in ring.page(LogFilter(q="signed"))] == ["Signed in"]


async def test_a_follower_gets_what_comes_from_any_thread():
    ring = LogRing()
    ring.bind(asyncio.get_running_loop())
    stream = ring.follow()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)

    await asyncio.to_thread(fill, ring, ("info", "a", "one"))

    assert (await asyncio.wait_for(first, 5))["event"] == "one"
    await stream.aclose()


async def test_a_follower_who_does_not_read_holds_nothing_up():
    ring = LogRing()
    ring.bind(asyncio.get_running_loop())
    stream = ring.follow()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    fill(ring, *(("info", "a", str(number)) for number in range(2000)))
    await asyncio.wait_for(first, 5)

    assert sum(queue.qsize() for queue in ring._followers) <= 500
    await stream.aclose()
    assert ring._followers == set()


def test_the_quick_look_overlooks_no_form_of_a_secret():
    """Each alternative of the pattern holds one of the words the look asks for, in whatever case."""
    for secret in (
        "mcphub_" + "a" * 38,
        "mcphub_at_" + "a" * 20,
        *(prefix + "a" * 20 for prefix in ("gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "xoxb-", "sk-")),
        "AKIA" + "B" * 16,
        ".".join(("eyJhbGciOi", "eyJzdWIiOi", "c2lnbmF0dXJl")),
        *(f"{sign}{name}=value" for sign in "?&" for name in ("key", "code", "state", "token")),
        "https://" + "somebody:word" + "@host",
        "BEARER something",
        "Basic YWxhZGRpbjpvcGVu",
    ):
        assert SECRET_TEXT.search(secret), secret
        assert redacted("x" * 60 + " " + secret) != "x" * 60 + " " + secret


def test_the_line_of_a_call_is_like_every_other(set_up):
    ring, written = set_up("info")
    fields = {"request_id": "r1", "tool": f"x {JWT}", "token": "s3cret", "ms": 1.5, "position": None}

    structlog.get_logger().info("mcp_request", **fields)
    logging.log_often(structlog.get_logger(), __name__, "mcp_request", dict(fields), fields["tool"])

    usual, often = written()
    assert [*usual] == [*often]
    assert {**usual, "timestamp": ""} == {**often, "timestamp": ""}
    assert len(usual["timestamp"]) == len(often["timestamp"])
    assert often["tool"] == "x [hidden]"
    assert often["token"] == "[hidden]"
    assert [record["tool"] for record in ring.page()] == ["x [hidden]", "x [hidden]"]


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"tool": "grep"}, {"tool": "grep"}),
        ({"tool": PREFIX + "0123456789abcdefghijABCDEFGHIJ01abcdef"}, {"tool": "[hidden]"}),
        ({"tool": f'\n"{JWT}'}, {"tool": '\n"[hidden]'}),
        ({"why": "BeaRer abc"}, {"why": "[hidden]"}),
        ({"password": "plain"}, {"password": "[hidden]"}),
        ({"tool": "x" * 70_000}, {"tool": "x" * 4096 + "…"}),
    ],
)
def test_the_line_of_a_call_holds_no_secret_whatever_a_client_calls_its_tools(set_up, fields, kept):
    ring, written = set_up("info")

    logging.log_often(
        structlog.get_logger(), __name__, "mcp_request", {"request_id": "r1", **fields}, " ".join(fields.values())
    )

    assert {name: written()[0][name] for name in kept} == kept
    assert {name: ring.page()[0][name] for name in kept} == kept


async def test_lines_of_calls_are_kept_at_once_and_written_together_and_before_any_other(set_up):
    ring, written = set_up("info")

    for tool in ("a", "b"):
        logging.log_often(structlog.get_logger(), __name__, "mcp_request", {"tool": tool}, tool)
    kept, early = len(ring.page()), len(written())
    structlog.get_logger().info("something_else")

    assert (kept, early) == (2, 0)
    assert [line["event"] for line in written()] == ["mcp_request", "mcp_request", "something_else"]
    assert [line.get("tool") for line in written()] == ["a", "b", None]


async def test_lines_of_calls_are_written_when_nothing_else_happens(set_up):
    _, written = set_up("info")

    logging.log_often(structlog.get_logger(), __name__, "mcp_request", {"tool": "a"}, "a")

    await until(lambda: len(written()) == 1, within=2, what="the first line is not written")
    logging.log_often(structlog.get_logger(), __name__, "mcp_request", {"tool": "b"}, "b")
    await until(lambda: len(written()) == 2, within=2, what="the second line is not written")


async def test_lines_of_many_calls_do_not_wait_for_each_other_to_become_more(set_up):
    _, written = set_up("info")

    for number in range(logging.MOST_WAITING + 1):
        logging.log_often(structlog.get_logger(), __name__, "mcp_request", {"tool": f"{number}"}, "")

    assert [line["tool"] for line in written()] == [f"{number}" for number in range(logging.MOST_WAITING)]
    await until(lambda: len(written()) == logging.MOST_WAITING + 1, within=2, what="the last line is not written")


@pytest.mark.parametrize(("level", "style", "lines"), [("warning", "json", 0), ("info", "console", 1)])
def test_the_line_of_a_call_keeps_to_the_level_and_the_form_of_the_others(set_up, level, style, lines):
    ring, _ = set_up(level, style)

    logging.log_often(structlog.get_logger(), __name__, "mcp_request", {"tool": "a"}, "a")

    assert len(ring.page()) == lines


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "1970-01-01T00:00:00.000000Z"), (1_764_122_399_999_999, "2025-11-26T01:59:59.999999Z")],
)
def test_a_time_is_written_with_all_its_digits(micros, text):
    assert logging.utc_text(micros) == text
