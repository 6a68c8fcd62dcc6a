from datetime import date

from mcphub.domain.events import DayDropped, DaySealed, seal_tag
from mcphub.domain.seals import DropDay, SealDay

DAY = date(2026, 3, 1)
FACTS = {"rows": 3, "sha256": "ab" * 32, "first": 7, "last": 9}


def sealed(log, day=DAY, **facts):
    return DaySealed(log=log, day=day, **{**FACTS, **facts}), [seal_tag(log, day)]


def test_a_finished_day_is_recorded_by_its_digest(scenario):
    scenario.when(SealDay("access", DAY, **FACTS)).then(sealed("access")[0])


def test_a_sealed_day_is_not_sealed_again_whatever_its_rows_are_now(scenario):
    scenario.given(sealed("access"))
    scenario.when(SealDay("access", DAY, **{**FACTS, "rows": 4})).then()


def test_each_log_and_each_day_has_a_seal_of_its_own(scenario):
    scenario.given(sealed("access"), sealed("traffic", date(2026, 3, 2)))
    scenario.when(SealDay("traffic", DAY, **FACTS)).then(sealed("traffic")[0])


def test_a_sealed_day_is_dropped_on_the_record_and_once(scenario):
    scenario.given(sealed("access"))
    scenario.when(DropDay("access", DAY)).then(DayDropped(log="access", day=DAY))

    scenario.given((DayDropped(log="access", day=DAY), [seal_tag("access", DAY)]))
    scenario.when(DropDay("access", DAY)).then()


def test_of_a_day_that_was_never_sealed_nothing_is_recorded(scenario):
    scenario.given(sealed("traffic"))
    scenario.when(DropDay("access", DAY)).then()
