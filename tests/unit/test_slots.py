import pytest

from mcphub.domain.slots import PlaceholderSyntax, Slot, Text, Variable, is_slot, parts, slots_of


def names(config):
    return [(slot.name, slot.canonical) for slot in slots_of(config)]


def one(config):
    (slot,) = slots_of(config)
    return slot


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"headers": {"Authorization": "Bearer ${USER_DESK_TOKEN}"}}, [("USER_DESK_TOKEN", "DESK_TOKEN")]),
        ({"headers": {"Authorization": "Bearer ${GITHUB_TOKEN}"}}, [("GITHUB_TOKEN", "GITHUB_TOKEN")]),
        ({"env": {"USER_FIRECRAWL_TOKEN": "sample"}}, [("USER_FIRECRAWL_TOKEN", "FIRECRAWL_TOKEN")]),
        (
            {"env": {"TRACKER_API_TOKEN": "${USER_TRACKER_API_TOKEN}"}},
            [("USER_TRACKER_API_TOKEN", "TRACKER_API_TOKEN")],
        ),
        ({"headers": {"X": "${USER_USER_X}"}}, [("USER_USER_X", "USER_X")]),
        ({"headers": {"X": "$${NOT_A_SLOT}"}}, []),
        ({"headers": {"X": "${USER_A}-${USER_B}"}}, [("USER_A", "A"), ("USER_B", "B")]),
    ],
)
def test_the_naming_table(config, expected):
    assert names(config) == expected


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("USER_X", True),
        ("USER_1", True),
        ("GITHUB_TOKEN", True),
        ("FIRECRAWL_TOKEN", True),
        ("ATLASSIAN_API_TOKEN", True),
        ("ATLASSIAN_USER_EMAIL", True),
        ("ATLASSIAN_SITE_URL", True),
        ("USER_", False),
        ("USER_x", False),
        ("user_X", False),
        ("MY_USER_X", False),
        ("ATLASSIAN_X", False),
        ("ATLASSIAN_ =_TOKEN", False),
        ("GITHUB_TOKEN_2", False),
        ("HUB_X", False),
    ],
)
def test_which_names_are_slots(name, slot):
    assert is_slot(name) is slot


def test_every_scanned_place_and_no_other():
    config = {
        "url": "https://h/${USER_URL_P}?q=${USER_URL_Q}",
        "headers": {"${USER_NO}": "${USER_HEADER}"},
        "env": {"A": "${USER_ENV}", "USER_ENV_KEY": "${USER_NO}"},
        "args": ["${USER_ARG}"],
        "openapi": {"url": "${USER_SPEC}", "schema": {"x": "${USER_NO}"}, "security": {"http": {"c": "${USER_SEC}"}}},
        "oauth": {"scopes": ["${USER_OAUTH}"]},
        "description": "${USER_NO}",
        "tools": {"x": {"description": "${USER_NO}"}},
        "x-anything": "${USER_NO}",
    }

    assert [(slot.name, slot.placements) for slot in slots_of(config)] == [
        ("USER_URL_P", ("url",)),
        ("USER_URL_Q", ("url",)),
        ("USER_HEADER", ("header",)),
        ("USER_ENV", ("env",)),
        ("USER_ENV_KEY", ("header",)),
        ("USER_ARG", ("arg",)),
        ("USER_SPEC", ("openapi",)),
        ("USER_SEC", ("openapi",)),
        ("USER_OAUTH", ("openapi",)),
    ]


@pytest.mark.parametrize(
    ("server", "placement"),
    [({"command": "node"}, "env"), ({"url": "https://h/mcp"}, "header"), ({"openapi": {"url": "https://h"}}, "header")],
)
def test_an_env_key_of_a_remote_server_is_a_header_there(server, placement):
    assert one({**server, "env": {"USER_TENANT": "sample"}}).placements == (placement,)


def test_slots_come_in_order_of_first_appearance():
    assert [name for name, _ in names({"headers": {"X": "${USER_B}"}, "url": "https://h/?${USER_A}${USER_B}"})] == [
        "USER_B",
        "USER_A",
    ]


def test_two_spellings_of_one_canonical_name_are_one_slot_with_both_placements():
    slot = one({"env": {"USER_GITHUB_TOKEN": "ghp…"}, "args": ["--t=${GITHUB_TOKEN}"]})

    assert (slot.name, slot.canonical, slot.placements) == ("USER_GITHUB_TOKEN", "GITHUB_TOKEN", ("env", "arg"))
    assert slot.placeholder == "ghp…"


def test_without_a_description_the_form_is_guessed_from_the_name():
    assert one({"headers": {"X": "${USER_JIRA_API_TOKEN}"}}) == Slot(
        name="USER_JIRA_API_TOKEN", canonical="JIRA_API_TOKEN", placements=("header",), label="Jira Api Token"
    )


@pytest.mark.parametrize("end", ["EMAIL", "URL", "HOST", "SITE", "TENANT", "USER", "USERNAME", "REGION"])
def test_these_names_are_shown_and_others_are_secret(end):
    assert not one({"headers": {"X": f"${{USER_X_{end}}}"}}).secret
    assert one({"headers": {"X": f"${{USER_{end}_X}}"}}).secret


@pytest.mark.parametrize("key", ["USER_T", "T"])
def test_the_document_describes_the_form(key):
    meta = {
        "displayName": "Ticket token",
        "description": "From your profile",
        "helpUrl": "https://h/help",
        "required": False,
        "isSecret": False,
        "defaultValue": "none",
        "validationRegex": "^t",
        "sortOrder": 3,
    }

    assert one({"headers": {"X": "${USER_T}"}, "mcphub": {"slots": {key: meta}}}) == Slot(
        name="USER_T",
        canonical="T",
        placements=("header",),
        label="Ticket token",
        description="From your profile",
        help_url="https://h/help",
        pattern="^t",
        default="none",
        required=False,
        secret=False,
        sort_order=3,
    )


@pytest.mark.parametrize("order", [True, "3", None, 1.5, [1]])
def test_an_order_that_is_none_counts_as_zero(order):
    """`true` would be recorded as a boolean, which the fact's integer field never reads again."""
    order = one({"headers": {"X": "${USER_T}"}, "mcphub": {"slots": {"T": {"sortOrder": order}}}}).sort_order

    assert order == 0
    assert type(order) is int


def test_an_order_fits_the_read_tables_integer():
    slots = {"A": {"sortOrder": 10**20}, "B": {"sortOrder": -(10**20)}}

    found = slots_of({"headers": {"X": "${USER_A}${USER_B}"}, "mcphub": {"slots": slots}})

    assert [slot.sort_order for slot in found] == [2147483647, -2147483647]


def test_a_credential_template_makes_a_slot_that_is_the_whole_value():
    slot = one({"credentialTemplate": [{"target": "headers", "name": "X-Api-Key", "label": "Key of yours"}]})

    assert (slot.name, slot.canonical, slot.placements, slot.label) == (
        "USER_X_API_KEY",
        "X_API_KEY",
        ("header",),
        "Key of yours",
    )


def test_a_slot_that_opens_an_argument_is_marked():
    slots = slots_of({"args": ["${USER_A}x", "--b=${USER_B}", "${USER_C}${USER_D}"]})

    assert [slot.canonical for slot in slots if slot.opens_argument] == ["A", "C"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", [Text("")]),
        ("plain $ {x}", [Text("plain $ {x}")]),
        ("a${X}b", [Text("a"), Variable("X"), Text("b")]),
        ("${X}${Y}", [Variable("X"), Variable("Y")]),
        ("$${X}", [Text("${X}")]),
        ("$$${X}", [Text("$${X}")]),
        ("a$${X}${Y}", [Text("a${X}"), Variable("Y")]),
    ],
)
def test_a_template_is_text_and_variables(template, expected):
    assert parts(template) == expected


@pytest.mark.parametrize(
    "template", ["${", "${X", "${}", "${X:-d}", "${env:X}", "${ X}", "${1X}", "${" + "X" * 129 + "}"]
)
def test_anything_else_in_a_placeholder_is_refused(template):
    with pytest.raises(PlaceholderSyntax):
        parts(template)


def test_a_name_has_128_characters_at_most():
    assert parts("${" + "X" * 128 + "}") == [Variable("X" * 128)]
