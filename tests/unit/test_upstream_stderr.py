"""What a process writes to stderr is shown to administrators and quoted in errors: without its user's values."""

import base64
from urllib.parse import quote

from mcphub.domain.server_spec import spec_of
from mcphub.domain.substitution import inject
from mcphub.gateway.upstream.stderr import LINES, MOST_LINE, Stderr, secrets_of

VALUE = "s3cret/value with=odd+signs"


def said(*pieces: bytes, secrets: tuple[str, ...] = (VALUE,)) -> list[str]:
    stderr = Stderr(secrets)
    for piece in pieces:
        stderr.feed(piece)
    stderr.feed(b"\n")
    return stderr.lines


def test_lines_are_kept_in_order_and_only_the_newest() -> None:
    lines = said(*[b"line %d\n" % n for n in range(LINES + 50)])

    assert lines[0] == "line 50"
    assert lines[-1] == f"line {LINES + 49}"


def test_a_value_is_masked_in_every_usual_spelling() -> None:
    spellings = [VALUE, quote(VALUE, safe=""), quote(VALUE), base64.b64encode(VALUE.encode()).decode()]

    lines = said(*[f"token={text}!\n".encode() for text in spellings])

    assert lines == ["token=[hidden]!"] * 4


def test_a_value_cut_into_pieces_by_the_pipe_is_masked_all_the_same() -> None:
    assert said(b"a " + VALUE[:9].encode(), VALUE[9:].encode() + b" b\n") == ["a [hidden] b"]


def test_each_line_of_a_value_of_several_lines_is_masked() -> None:
    pem = "-----BEGIN KEY-----\nabcdefghij\n-----END KEY-----"

    assert said(f"loaded:\n{pem}\ndone\n".encode(), secrets=(pem,)) == ["loaded:", *["[hidden]"] * 3, "done"]


def test_a_line_without_end_is_left_out_rather_than_cut_through_a_value() -> None:
    filling = b"x" * (MOST_LINE - 5)

    lines = said(filling + VALUE.encode() + filling, b"tail\nnext\n")

    assert lines == [f"(a line of more than {MOST_LINE} bytes)", "next"]


def test_what_looks_like_a_token_is_masked_though_nobody_saved_it() -> None:
    assert said(b"using ghp_" + b"a1" * 18 + b"\n") == ["using [hidden]"]


def test_the_last_line_is_the_last_that_says_something() -> None:
    stderr = Stderr([])
    stderr.feed(b"Error: no such file\n\n   \n")

    assert stderr.last == "Error: no such file"


def test_a_value_of_the_hub_is_a_secret_alone_and_with_what_stands_around_it() -> None:
    spec = spec_of("s", "s", "s", {"command": "node", "env": {"AUTH": "Bearer ${HUB_TOKEN}"}})

    injected = inject(spec, {}, {"HUB_TOKEN": "hubs-own", "HUB_OTHER": "not-here"}, lambda _, sealed: sealed)

    assert secrets_of(spec, injected) == {"hubs-own", "Bearer hubs-own"}


def test_secrets_are_the_users_values_and_what_is_sealed_or_the_hubs_but_not_plain_settings() -> None:
    config = {
        "command": "node",
        "args": ["server.js", "--key", "${USER_KEY}"],
        "env": {
            "MODE": "production",
            "SEALED": {"$sealed": "v1.x"},
            "FROM_HUB": "${HUB_X}",
            "URL": "https://${USER_KEY}",
        },
    }
    spec = spec_of("id", "n", "n", config)
    injected = inject(spec, {"KEY": "users-own"}, {"HUB_X": "hubs-own"}, lambda *_: "opened-literal")

    assert injected.values == {"KEY": "users-own"}
    assert secrets_of(spec, injected) == {"users-own", "opened-literal", "hubs-own", "https://users-own"}
