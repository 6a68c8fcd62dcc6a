"""What checkpoints say of the time behind a backup."""

from mcphub.domain.checkpoint import Checkpoint
from mcphub.operations.forgetting import Known, known_behind


def checkpoint(after: int, position: int, *, erased: str = "", cleared: str = "") -> Checkpoint:
    return Checkpoint(
        position=position,
        hash="ab" * 32,
        at=position * 1000,
        after=after,
        erased=tuple(erased.split()),
        cleared=tuple(cleared.split()),
    )


def test_without_checkpoints_nothing_is_known() -> None:
    assert known_behind(7, []) == Known(upto=7)


def test_what_a_backup_knows_itself_is_not_repeated() -> None:
    assert known_behind(7, [checkpoint(0, 5, erased="ann"), checkpoint(5, 7, erased="bob")]) == Known(upto=7)


def test_what_was_erased_and_cleared_since_is_known_up_to_the_last_checkpoint() -> None:
    found = known_behind(
        7, [checkpoint(10, 12, cleared="k2"), checkpoint(5, 10, erased="ann", cleared="k1 k2"), checkpoint(0, 5)]
    )

    assert found == Known(erased=("ann",), cleared=("k1", "k2"), upto=12, at=12_000)


def test_a_gap_ends_what_is_known_for_sure_and_what_is_behind_it_counts_all_the_same() -> None:
    found = known_behind(7, [checkpoint(7, 9), checkpoint(11, 12, erased="ann"), checkpoint(12, 13)])

    assert found == Known(erased=("ann",), upto=9, at=9_000)
