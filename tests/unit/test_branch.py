"""A model that goes on from another one: what it learns is not told to that one."""

from mcphub.domain.branch import Branch
from mcphub.domain.events import SERVERS, ServerRef, ServerRenamed, server_tag
from tests.support.facts import added, grouped, member, modelled, recorded


def names(model, user):
    return [ref.name for group in model.groups_of[user].values() for ref in model.named_by(group)]


def test_a_renamed_server_keeps_its_old_name_in_groups_of_the_trunk():
    trunk = modelled(
        *member("ann"), *member("bob"), added("desk"), grouped("ann", "g", "desk"), grouped("bob", "h", "desk")
    )
    renamed = ServerRenamed(server_id="desk", old_name="DESK", name="Office")

    branch = Branch(trunk)
    for fact in recorded((renamed, [server_tag("desk"), SERVERS]), since=trunk.position + 1):
        branch.apply(fact)

    assert names(branch, "ann") == names(branch, "bob") == ["Office"]
    assert names(trunk, "ann") == names(trunk, "bob") == ["DESK"]
    assert trunk.resolve(ServerRef("gone", "DESK")) is trunk.servers["desk"]
    assert trunk.resolve(ServerRef("gone", "Office")) is None


def test_groups_of_another_branch_are_not_there_for_a_new_name():
    trunk = modelled(*member("ann"), added("desk"), grouped("ann", "g", "desk"))
    renamed = (ServerRenamed(server_id="desk", old_name="DESK", name="Office"), [server_tag("desk"), SERVERS])
    again = (ServerRenamed(server_id="desk", old_name="Office", name="Hall"), [server_tag("desk"), SERVERS])
    for fact in recorded(renamed, since=trunk.position + 1):
        trunk.apply(fact)

    one, other = Branch(trunk), Branch(trunk)
    for fact in recorded(grouped("ann", "h", "desk"), since=trunk.position + 1):
        one.apply(fact)
    for fact in recorded(again, since=trunk.position + 1):
        other.apply(fact)

    assert names(one, "ann") == ["Office", "DESK"]
    assert names(other, "ann") == ["Hall"]
    assert names(trunk, "ann") == ["Office"]
