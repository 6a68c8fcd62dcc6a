import pytest
from eventsourcing.persistence import IntegrityError

from mcphub.domain.actor import acting, system
from mcphub.domain.errors import IdentityKnown, LastAdmin, UnknownUser, UserInactive, UserIsErased, UsernameTaken
from mcphub.domain.events import (
    AdminRevoked,
    SignedIn,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserProfileSynced,
    UserRegistered,
    UserRestored,
    user_tag,
    username_tag,
)
from mcphub.domain.sign_in import Identity, RegisterByProvider, ShutOut, SignInByProvider
from mcphub.domain.users import EraseUser, SetUserActive
from tests.support.facts import admin, elsewhere, member, of_user

ISSUER = "https://github.com"
PROFILE = {"login": "sealed-login", "email": "sealed-email"}
MADE = UserRegistered(
    user_id="bob",
    username="sealed",
    provider="github",
    identity="42",
    issuer=ISSUER,
    subject="sealed-42",
    login="sealed-login",
    email="sealed-email",
)


def registering(user="bob", *, name="bob", identity="42", active=True):
    who = Identity("github", ISSUER, identity, f"sealed-{identity}")
    return RegisterByProvider(user, name, "sealed", who, PROFILE, active=active)


def shut_out(user):
    return of_user(UserDeactivated, user, reason="not_a_member", cause="membership")


# the first time


def test_somebody_from_elsewhere_is_let_in_at_once_under_the_policy_active(scenario):
    scenario.when(registering()).then(MADE, UserActivated(user_id="bob"))
    assert scenario.tagged()[0] == ["user:bob", "username:bob", "identity:42"]


def test_under_the_policy_pending_they_wait(scenario):
    scenario.when(registering(active=False)).then(MADE)


def test_one_identity_is_one_user(scenario):
    scenario.given(*elsewhere("bob", "42"))
    scenario.when(registering("bob2", name="other")).refused(IdentityKnown)


def test_two_browsers_signing_in_for_the_first_time_make_one_user(scenario):
    """Both saw nobody: the consistency boundary decides."""
    first, second = registering("bob"), registering("bob2", name="bob-2")
    for command in (first, second):
        scenario.hub.repository.advance(command).execute()

    with acting(system("test")):
        scenario.hub.repository.save(first)

        with pytest.raises(IntegrityError):
            scenario.hub.repository.save(second)


def test_a_local_user_of_the_same_name_is_somebody_else(scenario):
    scenario.given(*member("ann"))
    scenario.when(registering("bob", name="ann")).refused(UsernameTaken)


def test_another_subject_of_the_same_issuer_is_another_user(scenario):
    scenario.given(*elsewhere("bob", "42"))
    scenario.when(registering("eve", name="eve", identity="43")).then(
        UserRegistered(
            user_id="eve",
            username="sealed",
            provider="github",
            identity="43",
            issuer=ISSUER,
            subject="sealed-43",
            login="sealed-login",
            email="sealed-email",
        ),
        UserActivated(user_id="eve"),
    )


def test_a_soft_deleted_user_stays_known_by_the_identity(scenario):
    scenario.given(*elsewhere("bob", "42"), of_user(UserDeleted, "bob"))
    scenario.when(registering("bob2", name="other")).refused(IdentityKnown)


def test_an_erased_user_may_come_again_as_somebody_new(scenario):
    scenario.given(*elsewhere("bob", "42"))
    scenario.when(EraseUser("bob", by="ann", name_digest="bob")).then(UserErased(user_id="bob"))
    tags = scenario.tagged()[0]
    assert tags == ["user:bob", "username:bob", "identity:42"]

    scenario.given((UserErased(user_id="bob"), tags))
    scenario.when(registering("bob2")).then(
        UserRegistered(
            user_id="bob2",
            username="sealed",
            provider="github",
            identity="42",
            issuer=ISSUER,
            subject="sealed-42",
            login="sealed-login",
            email="sealed-email",
        ),
        UserActivated(user_id="bob2"),
    )


# every time


def test_a_sign_in_that_tells_nothing_new_is_a_session_and_nothing_else(scenario):
    scenario.given(*elsewhere("bob", "42"))
    scenario.when(SignInByProvider("bob", "s1", {})).then(SignedIn(user_id="bob", session_id="s1"))


def test_only_what_differs_is_recorded(scenario):
    scenario.given(*elsewhere("bob", "42"))
    scenario.when(SignInByProvider("bob", "s1", {"login": ("login-bob", "new")})).then(
        UserProfileSynced(user_id="bob", login="new"), SignedIn(user_id="bob", session_id="s1")
    )


def test_what_another_sign_in_brought_up_to_date_meanwhile_is_left_alone(scenario):
    scenario.given(*elsewhere("bob", "42"), of_user(UserProfileSynced, "bob", login="newer"))
    scenario.when(SignInByProvider("bob", "s1", {"login": ("login-bob", "new"), "email": ("", "mail")})).then(
        UserProfileSynced(user_id="bob", email="mail"), SignedIn(user_id="bob", session_id="s1")
    )


def test_who_was_not_let_in_yet_gets_no_session(scenario):
    scenario.given(elsewhere("bob", "42")[0])
    scenario.when(SignInByProvider("bob", "s1", {"login": ("login-bob", "new")})).refused(UserInactive)


@pytest.mark.parametrize(
    "facts",
    [
        [of_user(UserDeactivated, "bob")],
        [of_user(UserDeleted, "bob")],
        [of_user(UserDeleted, "bob"), of_user(UserRestored, "bob")],
        [shut_out("bob"), of_user(UserDeactivated, "bob")],
        [shut_out("bob"), of_user(UserDeleted, "bob"), of_user(UserRestored, "bob")],
        [shut_out("bob"), of_user(UserDeleted, "bob")],
    ],
)
def test_no_sign_in_undoes_what_a_person_decided(scenario, facts):
    scenario.given(*elsewhere("bob", "42"), *facts)
    scenario.when(SignInByProvider("bob", "s1", {})).refused(UserInactive)


def test_an_erased_user_gets_no_session(scenario):
    scenario.given(*elsewhere("bob", "42"), (UserErased(user_id="bob"), [user_tag("bob"), username_tag("bob")]))
    scenario.when(SignInByProvider("bob", "s1", {})).refused(UserIsErased)


# membership


def test_who_left_the_organisation_is_locked_out_with_the_cause(scenario):
    scenario.given(*elsewhere("bob", "42"))
    scenario.when(ShutOut("bob", "not_a_member")).then(
        UserDeactivated(user_id="bob", reason="not_a_member", cause="membership")
    )


def test_who_is_back_in_the_organisation_is_let_in_by_signing_in(scenario):
    scenario.given(*elsewhere("bob", "42"), shut_out("bob"))
    scenario.when(SignInByProvider("bob", "s1", {})).then(
        UserActivated(user_id="bob"), SignedIn(user_id="bob", session_id="s1")
    )


def test_a_later_lock_out_by_a_person_is_not_undone_by_an_earlier_cause(scenario):
    scenario.given(*elsewhere("bob", "42"), shut_out("bob"), of_user(UserActivated, "bob"))
    scenario.given(of_user(UserDeactivated, "bob"))
    scenario.when(SignInByProvider("bob", "s1", {})).refused(UserInactive)


def test_an_administrator_locks_out_for_good_whom_the_provider_shut_out(scenario):
    scenario.given(*elsewhere("bob", "42"), shut_out("bob"))
    scenario.when(SetUserActive("bob", False, by="ann", reason="left")).then(
        UserDeactivated(user_id="bob", reason="left")
    )


def test_an_administrator_who_left_is_demoted_and_locked_out(scenario):
    scenario.given(*admin("ann"), *elsewhere("bob", "42", admin=True))
    scenario.when(ShutOut("bob", "not_a_member")).then(
        AdminRevoked(user_id="bob"), UserDeactivated(user_id="bob", reason="not_a_member", cause="membership")
    )
    assert scenario.tagged()[0] == ["user:bob", "admins"]


def test_the_last_administrator_stays_whatever_the_provider_says(scenario):
    scenario.given(*elsewhere("bob", "42", admin=True))
    scenario.when(ShutOut("bob", "not_a_member")).refused(LastAdmin)


@pytest.mark.parametrize(
    "facts", [elsewhere("bob", "42")[:1], (*elsewhere("bob", "42"), of_user(UserDeactivated, "bob")), member("bob")]
)
def test_shutting_out_who_is_not_in_or_is_local_writes_nothing(scenario, facts):
    scenario.given(*facts)
    scenario.when(ShutOut("bob", "not_a_member")).then()


def test_nobody_is_shut_out_who_is_not_known(scenario):
    scenario.when(ShutOut("bob", "not_a_member")).refused(UnknownUser)
