from mcphub.domain.events import MASTER_KEYS, MasterKeyRotated
from mcphub.domain.master_keys import NoteMasterKeyRotated

FACT = MasterKeyRotated(key_id="k2", retired=["k1"], rewrapped=7)


def test_a_rotation_is_recorded_with_the_keys_that_no_row_needs_any_more(scenario):
    scenario.when(NoteMasterKeyRotated("k2", ["k1"], 7)).then(FACT)


def test_a_rotation_that_was_cut_off_behind_its_record_is_recorded_once(scenario):
    scenario.given((FACT, [MASTER_KEYS]))
    scenario.when(NoteMasterKeyRotated("k2", ["k1"], 0)).then()
    scenario.when(NoteMasterKeyRotated("k3", ["k2"], 8)).then(
        MasterKeyRotated(key_id="k3", retired=["k2"], rewrapped=8)
    )
