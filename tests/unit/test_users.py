import pytest
from eventsourcing.persistence import IntegrityError

from mcphub.domain.actor import ActorMissing, acting, system
from mcphub.domain.errors import (
    AdminProtected,
    AlreadySetUp,
    HasPassword,
    LastAdmin,
    NotLocalAccount,
    SelfDeactivation,
    SelfDeletion,
    UnknownUser,
    UserInactive,
    UserIsDeleted,
    UserIsErased,
    UsernameTaken,
)
from mcphub.domain.events import (
    AdminGranted,
    AdminRevoked,
    AuditorGranted,
    AuditorRevoked,
    KeyRevoked,
    PasswordSet,
    SignedIn,
    SignedOut,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserInvited,
    UserKeyDestroyed,
    UserPreferencesChanged,
    UserRegistered,
    UserRestored,
    user_tag,
    username_tag,
)
from mcphub.domain.users import (
    CertifyErasure,
    ChangePreferences,
    DeleteUser,
    EndSessions,
    EraseUser,
    InviteUser,
    RegisterUser,
    RestoreUser,
    SetAdmin,
    SetAuditor,
    SetPassword,
    SetUpAdmin,
    SetUserActive,
    SignIn,
    SignOut,
)
from tests.support.facts import admin, issued, member, of_user, registered


def gone(user, fact):
    return (fact(user_id=user), [user_tag(user), username_tag(user)])


def test_a_registered_user_is_let_in_under_the_policy_active(scenario):
    scenario.when(RegisterUser("bob", "bob", "sealed")).then(
        UserRegistered(user_id="bob", username="sealed"), UserActivated(user_id="bob")
    )
    assert scenario.tagged()[0] == ["user:bob", "username:bob"]


def test_a_name_belongs_to_one_user(scenario):
    scenario.given(*member("bob"))
    scenario.when(RegisterUser("bob2", "bob", "sealed")).refused(UsernameTaken)


@pytest.mark.parametrize("name", ["bob", "another"])
def test_an_id_is_registered_once_whatever_name_comes_with_it(scenario, name):
    scenario.given(*member("bob"))
    scenario.when(RegisterUser("bob", name, "sealed")).then()


def test_a_soft_deleted_user_keeps_the_name_and_an_erased_one_frees_it(scenario):
    scenario.given(*member("bob"), gone("bob", UserDeleted))
    scenario.when(RegisterUser("bob2", "bob", "sealed")).refused(UsernameTaken)

    scenario.given(gone("bob", UserErased))
    scenario.when(RegisterUser("bob2", "bob", "sealed", active=False)).then(
        UserRegistered(user_id="bob2", username="sealed")
    )


def test_the_first_admin_is_set_up_once(scenario):
    scenario.when(SetUpAdmin("ann", "ann", "sealed", "hash")).then(
        UserRegistered(user_id="ann", username="sealed"),
        PasswordSet(user_id="ann", sealed="hash"),
        UserActivated(user_id="ann"),
        AdminGranted(user_id="ann"),
    )
    scenario.given(*admin("ann"))
    scenario.when(SetUpAdmin("eve", "eve", "sealed", "hash")).refused(AlreadySetUp)


def test_being_first_to_register_makes_nobody_an_admin(scenario):
    scenario.when(RegisterUser("bob", "bob", "sealed"))

    assert AdminGranted not in {type(tagged.decision) for tagged in scenario.command.new_decisions}


def test_the_last_active_admin_stays(scenario):
    scenario.given(*admin("ann"), *member("bob"))
    scenario.when(SetAdmin("ann", False)).refused(LastAdmin)


def test_one_of_two_admins_may_be_demoted(scenario):
    scenario.given(*admin("ann"), *admin("bob"))
    scenario.when(SetAdmin("ann", False)).then(AdminRevoked(user_id="ann"))
    assert scenario.tagged() == [["user:ann", "admins"]]


def test_asking_for_the_present_role_writes_nothing(scenario):
    scenario.given(*admin("ann"), *member("bob"))
    scenario.when(SetAdmin("bob", False)).then()


def test_only_an_active_user_becomes_an_admin(scenario):
    scenario.given(*admin("ann"), registered("bob"))
    scenario.when(SetAdmin("bob", True)).refused(UserInactive)


def test_two_admins_demoting_each_other_leave_one(scenario):
    """Both read two admins before either writes: the consistency boundary decides, not a lock."""
    hub = scenario.given(*admin("ann"), *admin("bob")).hub
    first, second = SetAdmin("bob", False), SetAdmin("ann", False)
    for command in (first, second):
        hub.repository.advance(command).execute()

    with acting(system("test")):
        hub.repository.save(first)

        with pytest.raises(IntegrityError):
            hub.repository.save(second)


def test_an_auditor_is_named_and_named_no_more(scenario):
    scenario.given(*member("bob"))
    scenario.when(SetAuditor("bob", True)).then(AuditorGranted(user_id="bob"))

    scenario.given(of_user(AuditorGranted, "bob"))
    scenario.when(SetAuditor("bob", True)).then()
    scenario.when(SetAuditor("bob", False)).then(AuditorRevoked(user_id="bob"))


def test_an_auditor_counts_not_as_an_administrator(scenario):
    scenario.given(*admin("ann"), *member("bob"), of_user(AuditorGranted, "bob"))
    scenario.when(SetAdmin("ann", False)).refused(LastAdmin)


def test_only_an_active_user_becomes_an_auditor(scenario):
    scenario.given(registered("bob"))
    scenario.when(SetAuditor("bob", True)).refused(UserInactive)
    scenario.given(gone("bob", UserDeleted))
    scenario.when(SetAuditor("bob", True)).refused(UserIsDeleted)
    scenario.when(SetAuditor("eve", True)).refused(UnknownUser)


def test_somebody_locked_out_can_lose_the_role(scenario):
    scenario.given(*member("bob"), of_user(AuditorGranted, "bob"), of_user(UserDeactivated, "bob"))
    scenario.when(SetAuditor("bob", False)).then(AuditorRevoked(user_id="bob"))


def test_nobody_deactivates_their_own_account(scenario):
    scenario.given(*member("bob"))
    scenario.when(SetUserActive("bob", False, by="bob")).refused(SelfDeactivation)


def test_an_admin_is_demoted_before_being_deactivated(scenario):
    scenario.given(*admin("ann"), *admin("bob"))
    scenario.when(SetUserActive("bob", False, by="ann")).refused(AdminProtected)


def test_a_user_is_locked_out_with_the_reason(scenario):
    scenario.given(*admin("ann"), *member("bob"))
    scenario.when(SetUserActive("bob", False, by="ann", reason="left")).then(
        UserDeactivated(user_id="bob", reason="left")
    )


def test_an_unknown_user_cannot_be_let_in(scenario):
    scenario.when(SetUserActive("nobody", True, by="ann")).refused(UnknownUser)


def test_a_deleted_user_is_restored_before_being_activated(scenario):
    scenario.given(*member("bob"), gone("bob", UserDeleted))
    scenario.when(SetUserActive("bob", True, by="ann")).refused(UserIsDeleted)


def test_deleting_a_user_revokes_the_keys_that_are_left(scenario):
    scenario.given(*admin("ann"), *member("bob"), issued("bob", "k1"), issued("bob", "k2"))
    scenario.given((KeyRevoked(key_id="k1", user_id="bob"), [user_tag("bob"), "key:k1"]))
    scenario.when(DeleteUser("bob", by="ann", name_digest="bob")).then(
        UserDeleted(user_id="bob"), KeyRevoked(key_id="k2", user_id="bob")
    )
    assert scenario.tagged()[0] == ["user:bob", "username:bob"]


def test_nobody_deletes_their_own_account(scenario):
    scenario.given(*member("bob"))
    scenario.when(DeleteUser("bob", by="bob")).refused(SelfDeletion)


def test_an_admin_is_demoted_before_being_erased(scenario):
    scenario.given(*admin("ann"), *admin("bob"))
    scenario.when(EraseUser("bob", by="ann")).refused(AdminProtected)


def test_an_erased_user_is_gone_for_every_command(scenario):
    scenario.given(*member("bob"), gone("bob", UserErased))
    scenario.when(RestoreUser("bob")).refused(UserIsErased)
    scenario.when(SetUserActive("bob", True, by="ann")).refused(UserIsErased)
    scenario.when(EraseUser("bob", by="ann")).then()


def test_a_restored_user_comes_back_inactive(scenario):
    scenario.given(*member("bob"), gone("bob", UserDeleted))
    scenario.when(RestoreUser("bob")).then(UserRestored(user_id="bob"))

    scenario.given(gone("bob", UserRestored))
    scenario.when(SignIn("bob", "s1")).refused(UserInactive)


def test_an_erasure_is_certified_once(scenario):
    scenario.given(*member("bob"))
    scenario.when(CertifyErasure("bob", 3)).then()

    scenario.given(gone("bob", UserErased))
    scenario.when(CertifyErasure("bob", 3)).then(UserKeyDestroyed(user_id="bob", data_keys=3))

    scenario.given((UserKeyDestroyed(user_id="bob", data_keys=3), [user_tag("bob")]))
    scenario.when(CertifyErasure("bob", 0)).then()


def test_an_invitation_is_for_who_has_no_password_yet(scenario):
    scenario.given(*member("bob"))
    scenario.when(InviteUser("bob")).then(UserInvited(user_id="bob"))
    scenario.when(SetPassword("bob", "hash", first=True)).then(PasswordSet(user_id="bob", sealed="hash"))

    scenario.given(of_user(PasswordSet, "bob", sealed="hash"))
    scenario.when(InviteUser("bob")).refused(HasPassword)
    scenario.when(SetPassword("bob", "another", first=True)).refused(HasPassword)
    scenario.when(SetPassword("bob", "another")).then(PasswordSet(user_id="bob", sealed="another"))


@pytest.mark.parametrize(("fact", "refusal"), [(UserDeleted, UserIsDeleted), (UserErased, UserIsErased)])
def test_nobody_who_is_gone_is_invited(scenario, fact, refusal):
    scenario.given(*member("bob"), gone("bob", fact))
    scenario.when(InviteUser("bob")).refused(refusal)
    scenario.when(InviteUser("nobody")).refused(UnknownUser)


def test_who_signs_in_elsewhere_is_not_invited(scenario):
    scenario.given((UserRegistered(user_id="bob", username="b", provider="github"), [user_tag("bob")]))
    scenario.when(InviteUser("bob")).refused(NotLocalAccount)


def test_signing_out_of_a_session_that_is_over_writes_nothing(scenario):
    scenario.given(*member("bob"), (SignedIn(user_id="bob", session_id="s1"), [user_tag("bob"), "session:s1"]))
    scenario.when(SignOut("bob", "s1")).then(SignedOut(user_id="bob", session_id="s1"))
    scenario.when(SignOut("bob", "other")).then()


def test_sessions_whose_time_is_over_end_in_one_append_and_the_others_go_on(scenario):
    scenario.given(
        *member("bob"),
        *[
            (SignedIn(user_id="bob", session_id=name), [user_tag("bob"), f"session:{name}"])
            for name in ("s1", "s2", "s3")
        ],
        (SignedOut(user_id="bob", session_id="s2"), [user_tag("bob"), "session:s2"]),
    )
    scenario.when(EndSessions("bob", ["s1", "s2", "s3"])).then(
        SignedOut(user_id="bob", session_id="s1"), SignedOut(user_id="bob", session_id="s3")
    )
    assert scenario.tagged() == [["user:bob", "session:s1"], ["user:bob", "session:s3"]]


def test_only_changed_preferences_are_recorded(scenario):
    scenario.given((UserPreferencesChanged(user_id="bob", language="ko", theme="dark"), [user_tag("bob")]))
    scenario.when(ChangePreferences("bob", language="ko", theme="light")).then(
        UserPreferencesChanged(user_id="bob", theme="light")
    )


def test_nothing_is_appended_without_an_actor(scenario):
    with pytest.raises(ActorMissing):
        scenario.hub.execute(lambda: RegisterUser("bob", "bob", "sealed"))
