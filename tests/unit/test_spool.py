import os

import pytest

from mcphub.gateway import spool as module
from mcphub.gateway.spool import Spool


def lines(spool):
    return [line for some in spool.lines() for line in some]


def test_lines_outlive_the_process(tmp_path):
    Spool(tmp_path / "traffic").add(b"one\n")  # never closed

    assert lines(Spool(tmp_path / "traffic")) == [b"one\n"]


def test_a_line_is_one_write(tmp_path, monkeypatch):
    spool, writes = Spool(tmp_path), []
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: (writes.append(data), write(file, data))[1])

    spool.add(b"one\n")

    assert writes == [b"one\n"]


def test_others_may_not_read_it(tmp_path):
    Spool(tmp_path / "traffic").add(b"one\n")

    assert (tmp_path / "traffic").stat().st_mode & 0o077 == 0
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "traffic").iterdir()} == {0}


def test_a_torn_last_line_is_no_line_and_spoils_no_other(tmp_path):
    Spool(tmp_path).add(b"one\n")
    with (tmp_path / "spool-0.copy").open("ab") as file:
        file.write(b"tor")

    spool = Spool(tmp_path)
    spool.add(b"two\n")

    assert lines(spool) == [b"one\n", b"two\n"]


def test_a_line_that_fits_only_half_is_taken_back(tmp_path, monkeypatch):
    spool = Spool(tmp_path)
    spool.add(b"one\n")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:2]))
        with pytest.raises(OSError, match="only 2 of 4 bytes"):
            spool.add(b"two\n")
    spool.add(b"six\n")

    assert lines(spool) == [b"one\n", b"six\n"]
    assert spool.size == 8


def test_a_full_disk_keeps_nothing_of_the_line(tmp_path, monkeypatch):
    spool = Spool(tmp_path)

    def full(file, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            spool.add(b"one\n")

    assert (lines(spool), spool.size) == ([], 0)


def test_cutting_leaves_what_came_after_the_turn(tmp_path):
    spool = Spool(tmp_path)
    spool.add(b"one\n")
    assert spool.turn()
    spool.add(b"two\n")

    assert [line for some in spool.resting() for line in some] == [b"one\n"]
    spool.cut()
    assert lines(spool) == [b"two\n"]


def test_no_turn_while_the_other_file_waits_to_be_cut(tmp_path):
    spool = Spool(tmp_path)
    spool.add(b"one\n")
    spool.turn()
    spool.add(b"two\n")

    assert not spool.turn()
    spool.cut()
    assert spool.turn()


def test_lines_come_whole_however_they_lie_in_the_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 10)
    spool, written = Spool(tmp_path), [b"%d\n" % 7**power for power in range(9)]
    for line in written:
        spool.add(line)

    assert lines(spool) == written
    assert lines(Spool(tmp_path)) == written


def test_runs_to_be_ended_are_remembered(tmp_path):
    spool = Spool(tmp_path)
    assert spool.boots() == []
    spool.remember([7, 2**31 - 1])

    assert Spool(tmp_path).boots() == [7, 2**31 - 1]
