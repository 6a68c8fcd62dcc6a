"""Connection strings and error texts: what they add, and what they never show."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mcphub.postgres.pool import conninfo, explain

PASSWORD = "k4n4ry-s3cret"


def test_a_connection_names_itself_and_notices_a_dead_server():
    made = conninfo_to_dict(conninfo("postgresql://hub@db/mcphub", name="mcphub-reads"))

    assert made["application_name"] == "mcphub-reads"
    assert made["tcp_user_timeout"] == "10000"
    assert made["keepalives"] == "1"


def test_what_the_operator_wrote_into_the_url_wins():
    made = conninfo_to_dict(conninfo("postgresql://db/mcphub?connect_timeout=30&application_name=ours", name="mcphub"))

    assert (made["connect_timeout"], made["application_name"]) == ("30", "ours")


def test_a_search_path_joins_the_options_of_the_url():
    made = conninfo_to_dict(
        conninfo("host=db options='-c statement_timeout=5s'", name="mcphub", search_path="read, public")
    )

    assert made["options"] == "-c statement_timeout=5s -c search_path=read,public"


@pytest.mark.parametrize("dsn", [f"postgresql//hub:{PASSWORD}@db/mcphub", f"host=db passwrd={PASSWORD}"])
def test_an_unreadable_url_is_refused_without_repeating_it(dsn):
    with pytest.raises(ValueError, match="the database URL cannot be read") as caught:
        conninfo(dsn, name="mcphub")

    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"could not connect with postgresql://hub:{PASSWORD}@db/mcphub",
        f"bad conninfo: host=db password={PASSWORD} user=hub",
        f"bad conninfo: host=db password='{PASSWORD} x' user=hub",
    ],
)
def test_an_explained_error_shows_no_password(text):
    shown = explain(psycopg.OperationalError(text))

    assert PASSWORD not in shown
    assert shown.startswith(("could not connect with", "bad conninfo: host=db"))


def test_an_explained_error_is_one_line():
    assert explain(psycopg.OperationalError("connection failed\nIs the server running?")) == "connection failed"


def test_an_error_without_words_is_named_by_its_kind():
    assert explain(TimeoutError()) == "TimeoutError"
