"""Tables of the command line."""

from mcphub.cli.shared import table


def test_what_somebody_else_has_named_writes_no_line_and_no_escape_of_its_own():
    shown = table(("NAME", "ID"), [("Ann\nroot  0", 1), ("\x1b[2J\u202ebob", 2), ("김철수", 3)])

    assert shown.splitlines() == ["NAME         ID", "Ann�root  0  1", "�[2J�bob     2", "김철수          3"]
