from pathlib import Path

from mcphub.logging import BoundedFile, LogRing
from mcphub.settings import Settings, read
from mcphub.support import SHOWN, hub_lines, postgres_lines, shown

DSN = "postgresql://hub:Pa55word@db.example:5433/hub?sslmode=verify-full"  # scan:allow


def test_a_setting_that_nobody_said_to_be_harmless_is_only_said_to_be_set(tmp_path: Path) -> None:
    env = {
        "DATABASE_URL": DSN,
        "MCPHUB_ADMIN_PASSWORD": "Pa55word",
        "MCPHUB_MASTER_KEYS": "k1:" + "A" * 43 + "=",
        "MCPHUB_EGRESS_PROXY": "http://hub:Pa55word@proxy.example:3128",  # scan:allow
        "MCPHUB_GITHUB_CLIENT_ID": "client",
        "MCPHUB_GITHUB_CLIENT_SECRET": "Pa55word",
        "HUB_REGION": "Pa55word",
        "MCPHUB_TRAFFIC_DAYS": "30",
        "MCPHUB_PAYLOAD_DAYS": "7",
        "MCPHUB_DATABASE_REPLICA_URL": DSN.replace("db.", "replica."),
        "MCPHUB_EMBEDDING_PROVIDER": "openai",
        "MCPHUB_EMBEDDING_BASE_URL": "https://models.example/v1",
        "MCPHUB_EMBEDDING_MODEL": "small",
        "MCPHUB_EMBEDDING_API_KEY": "Pa55word",
        "MCPHUB_EMBEDDING_DIMENSIONS": "256",
    }

    found = shown(read(env, home=tmp_path))

    assert "Pa55word" not in str(found)
    assert "AAAA" not in str(found)
    assert found["database_url"] == {
        "host": "db.example", "port": "5433", "dbname": "hub", "user": "hub", "sslmode": "verify-full",
    }  # fmt: skip
    assert (found["admin_password"], found["egress_proxy"], found["master_key_file"]) == ("set", "set", "not set")
    assert (found["access_days"], found["payload_days"], found["key_in_url"]) == (30, 7, True)
    assert found["database_replica_url"]["host"] == "replica.example"
    assert found["embedding"] == {"provider": "openai", "model": "small", "dimensions": 256}
    assert (found["traffic_days"], found["hub_variables"], found["providers"][0]["name"]) == (
        30,
        ["HUB_REGION"],
        "github",
    )


def test_what_is_shown_as_it_is_are_settings_there_are() -> None:
    assert set(Settings.__struct_fields__) >= SHOWN


def test_of_postgresqls_log_no_statement_and_no_quoted_value_is_left() -> None:
    at = "2026-11-26 10:00:00.000 UTC [42]"
    lines = [
        "    and the end of a statement from before",
        f'{at} ERROR:  relation "traffic" does not exist at character 15',
        f'{at} ERROR:  invalid input syntax for type uuid: "Pa55word"',
        f"{at} STATEMENT:  select 'Pa55word'::uuid",
        "    from secret_place",
        f"{at} LOG:  duration: 712.3 ms  execute s1: select 'Pa55word'",
        f'{at} FATAL:  password authentication failed for user "Pa55word" Bearer Pa55word',
    ]

    assert list(postgres_lines(lines, {"traffic"})) == [
        f'{at} ERROR:  relation "traffic" does not exist at character 15',
        f'{at} ERROR:  invalid input syntax for type uuid: "…"',
        f"{at} STATEMENT: …",
        f"{at} LOG:  duration: 712.3 ms …",
        f'{at} FATAL:  password authentication failed for user "…" [hidden]',
    ]


def test_the_hubs_own_lines_are_redacted_once_more_and_a_torn_one_is_left_out() -> None:
    lines = ['n":"torn"}', '{"event":"x","password":"Pa55word","why":"Bearer Pa55word","n":1}']

    assert list(hub_lines(lines)) == ['{"event":"x","n":1,"password":"[hidden]","why":"[hidden]"}']


def test_warnings_are_kept_in_a_file_that_has_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "hub.log"
    ring = LogRing()
    ring.keep_problems(BoundedFile(path, most=200))

    for level in ("info", "warning", "error"):
        ring.keep(None, level, {"event": f"told_{level}", "level": level})
    told = path.read_text()
    for number in range(100):
        ring.keep(None, "error", {"event": f"number_{number}", "level": "error"})

    assert [line.split('"')[3] for line in told.splitlines()] == ["told_warning", "told_error"]
    assert sorted(one.name for one in path.parent.iterdir()) == ["hub.log", "hub.log.1"]
    assert sum(one.stat().st_size for one in path.parent.iterdir()) < 600
    assert "number_99" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
