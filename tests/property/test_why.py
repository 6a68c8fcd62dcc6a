"""Whatever happened: the reason that is told is that of the decision, and the fact that is named made it so."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcphub.domain.access import AccessModel, Capability, Principal, decide
from mcphub.domain.why import depends_on, why
from tests.property.test_histories import QUICKLY, SOME
from tests.property.test_undo import lived
from tests.support.facts import NOW, recorded
from tests.support.life import TOUR

TOOLS = ("", "tool0", "tool1")


def asked_about(model, chance):
    """Somebody, with or without one of their keys, and a server or tool of those there ever were."""
    user = chance.choice(sorted(model.users) or ["nobody"])
    key = chance.choice(["", *sorted(model.keys_of.get(user, {}))])
    servers = sorted({*model.servers, *model.settings.removed}) or ["noserver"]
    return Principal(user, key), Capability(chance.choice(servers), name=chance.choice(TOOLS), definition="unseen")


@pytest.mark.slow
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICKLY)
@given(SOME, SOME, st.randoms(use_true_random=False))
def test_the_reason_that_is_told_is_the_decision_and_the_fact_that_is_named_made_it_so(before, after, chance):
    facts = recorded(*lived([*before, *TOUR, *after]))
    for _ in range(12):
        upto = chance.randrange(len(facts)) + 1
        models = [AccessModel(), AccessModel()]
        for fact in facts[:upto]:
            models[0].apply(fact)
        principal, capability = asked_about(models[0], chance)

        def decided(model, principal=principal, capability=capability):
            return decide(model, principal, capability, NOW).reason

        selectors = depends_on(principal.user_id, capability.server_id)
        relevant = [
            fact
            for fact in facts[:upto]
            if any(type(fact.event) in one.types and set(one.tags) <= set(fact.tags) for one in selectors)
        ]
        told = why(relevant, AccessModel(), decided)

        assert told.reason == decided(models[0])
        for fact in facts[: told.since - 1]:
            models[1].apply(fact)
        if told.since:
            assert decided(models[1]) != told.reason, "it was so before"
        for fact in facts[max(told.since - 1, 0) : upto]:
            models[1].apply(fact)
            assert decided(models[1]) == told.reason, "it was otherwise since"
