"""Which folders of migrations are accepted."""

import pytest

from mcphub.postgres.migrate import MigrationError, load, migrations_folder


def folder(path, *names):
    for name in names:
        (path / name).write_text(f"select '{name}';\n")
    return path


def test_migrations_come_in_the_order_of_their_numbers(tmp_path):
    found = load(folder(tmp_path, "0002_traffic.sql", "0001_ledger.sql", "README.md"))

    assert [str(file) for file in found] == ["0001_ledger", "0002_traffic"]
    assert found[1].sql == "select '0002_traffic.sql';\n"


def test_an_empty_folder_holds_no_migrations(tmp_path):
    assert load(tmp_path) == []


def test_a_gap_is_refused(tmp_path):
    with pytest.raises(MigrationError, match="migration 0002 is missing: 0003_tracking comes in its place"):
        load(folder(tmp_path, "0001_ledger.sql", "0003_tracking.sql"))


def test_numbers_start_at_one(tmp_path):
    with pytest.raises(MigrationError, match="migration 0001 is missing"):
        load(folder(tmp_path, "0002_traffic.sql"))


def test_a_number_used_twice_is_refused(tmp_path):
    with pytest.raises(MigrationError, match="0002 is missing: 0001_other"):
        load(folder(tmp_path, "0001_ledger.sql", "0001_other.sql"))


@pytest.mark.parametrize("name", ["1_ledger.sql", "0001-ledger.sql", "0001_Ledger.sql", "ledger.sql", "0001_a b.sql"])
def test_a_name_that_does_not_sort_is_refused(tmp_path, name):
    with pytest.raises(MigrationError, match=r"name it like 0001_ledger\.sql"):
        load(folder(tmp_path, name))


def test_the_migrations_of_this_release_are_found_and_start_with_the_ledger():
    assert load(migrations_folder())[0].name == "ledger"
