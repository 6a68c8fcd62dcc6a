"""Refusals: a rule said no and nothing was written.

    Refused
    ├── NotFound(404)        UnknownUser UnknownKey UnknownGroup UnknownServerId UnknownTool
    ├── Conflict(409)        LastAdmin AdminProtected SelfDeactivation SelfDeletion UserInactive UserIsDeleted
    │                        UsernameTaken IdentityKnown KeyLimit KeyNameTaken KeyIsRevoked KeyTooLongExpired
    │                        GroupNameTaken ServerExists DefinitionOutdated AlreadySetUp Busy Irreversible
    │                        NotUndoable and what is below it, PreviewOutdated
    ├── Gone(410)            UserIsErased
    ├── Outdated(412)
    └── Invalid(422)         ExpiryOutOfRange GraceOutOfRange UnknownServer BadGroupName ConfirmationNeeded …

`str(error)` says what failed and for whom, `remedy` what to do, `code` is stable: the UI translates by it.
"""

from typing import ClassVar


class Refused(Exception):
    """A command that the rules do not allow; nothing was written."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
    remedy: str = ""
    #: details per field: (JSON pointer, code, text)
    errors: tuple[tuple[str, str, str], ...] = ()


class NotFound(Refused):
    code = "not_found"
    status = 404
    remedy = "Check the address; the list shows what exists."


class Conflict(Refused):
    status = 409


class Gone(Refused):
    status = 410


class Invalid(Refused):
    code = "invalid_request"
    status = 422


class Outdated(Refused):
    code = "version_mismatch"
    status = 412
    remedy = "Load the current state, apply the change to it, and save again."

    def __init__(self, seen: int) -> None:
        super().__init__(f"Something changed after position {seen}, which this change is based on.")


class Busy(Conflict):
    code = "busy"
    remedy = "Try again in a moment."

    def __init__(self) -> None:
        super().__init__("Other changes to the same facts were faster five times in a row.")


# users


class UnknownUser(NotFound):
    def __init__(self, user_id: str) -> None:
        super().__init__(f"There is no user {user_id}.")


class LastAdmin(Conflict):
    code = "last_admin"
    remedy = "Grant admin rights to another active user first."

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id} is the last active admin.")


class AdminProtected(Conflict):
    code = "admin_protected"
    remedy = "Revoke the admin rights first."

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id} is an admin.")


class SelfDeactivation(Conflict):
    code = "self_deactivation"
    remedy = "Ask another admin."

    def __init__(self) -> None:
        super().__init__("Nobody deactivates their own account.")


class SelfDeletion(Conflict):
    code = "self_deletion"
    remedy = "Ask another admin."

    def __init__(self) -> None:
        super().__init__("Nobody deletes their own account.")


class UserInactive(Conflict):
    code = "user_inactive"
    remedy = "Activate the user first."

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id} is not active.")


class UserIsDeleted(Conflict):
    code = "user_deleted"
    remedy = "Restore the user first."

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id} is deleted.")


class UserIsErased(Gone):
    code = "user_erased"
    remedy = "Erasure is final; register the person anew."

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id} was erased.")


class UsernameTaken(Conflict):
    code = "username_taken"
    remedy = "Choose another name."

    def __init__(self) -> None:
        super().__init__("A user of that name exists.")


class IdentityKnown(Conflict):
    code = "identity_known"
    remedy = "Sign in again."

    def __init__(self) -> None:
        super().__init__("Somebody who signs in elsewhere in the same way is registered already.")


class BadUsername(Invalid):
    code = "invalid_username"
    remedy = "Use 1 to 64 characters: letters, digits, and . _ - @."

    def __init__(self) -> None:
        super().__init__("That is no usable user name.")


class WeakPassword(Invalid):
    code = "weak_password"
    remedy = "Use at least 12 characters, and not the user name."

    def __init__(self) -> None:
        super().__init__("The password is too weak.")


class ConfirmationNeeded(Invalid):
    code = "confirmation_needed"
    remedy = "Repeat the user name as `confirm`; erasure cannot be undone."

    def __init__(self) -> None:
        super().__init__("Erasing a user needs the user's name as confirmation.")


class AlreadySetUp(Conflict):
    code = "already_set_up"
    remedy = "Sign in; on the host `mcphub setup-link` lets an administrator back in."

    def __init__(self) -> None:
        super().__init__("This hub has an administrator already.")


class NotLocalAccount(Refused):
    code = "not_local_account"
    status = 403
    remedy = "Change the password where you sign in."

    def __init__(self) -> None:
        super().__init__("This account has no password here.")


class HasPassword(Conflict):
    code = "has_password"
    remedy = "Whoever it belongs to signs in with it; delete the account if nobody can."

    def __init__(self, user_id: str) -> None:
        super().__init__(f"User {user_id} has chosen a password already.")


# keys


class UnknownKey(NotFound):
    def __init__(self, key_id: str) -> None:
        super().__init__(f"There is no key {key_id}.")


class KeyLimit(Conflict):
    code = "key_limit"
    remedy = "Revoke a key you no longer use."

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} usable keys exist already, the most a user may hold.")


class KeyNameTaken(Conflict):
    code = "key_name_taken"
    remedy = "Choose another name."

    def __init__(self, name: str) -> None:
        super().__init__(f"A usable key named {name!r} exists.")


class KeyIsRevoked(Conflict):
    code = "key_revoked"
    remedy = "Issue a new key."

    def __init__(self, key_id: str) -> None:
        super().__init__(f"Key {key_id} is revoked, which is final.")


class KeyTooLongExpired(Conflict):
    code = "key_expired"
    remedy = "Issue a new key."

    def __init__(self, key_id: str) -> None:
        super().__init__(f"Key {key_id} expired more than 30 days ago.")


class ExpiryOutOfRange(Invalid):
    code = "expiry_out_of_range"
    remedy = "Use 1 to 90 days."

    def __init__(self, days: int) -> None:
        super().__init__(f"A key cannot live for {days} days.")


class GraceOutOfRange(Invalid):
    code = "grace_out_of_range"
    remedy = "Use 0 to 1440 minutes."

    def __init__(self, minutes: int) -> None:
        super().__init__(f"A rotated key cannot keep working for {minutes} minutes.")


class BadName(Invalid):
    code = "invalid_name"

    def __init__(self, what: str, most: int) -> None:
        super().__init__(f"The name of a {what} has 1 to {most} characters.")
        self.remedy = f"Give a name of at most {most} characters."


class Unprintable(Invalid):
    code = "invalid_text"
    remedy = "Leave line breaks and control characters out."

    def __init__(self, what: str) -> None:
        super().__init__(f"The {what} holds characters that are not shown.")


class Unrecordable(Invalid):
    code = "invalid_text"
    remedy = "Leave the NUL character out; PostgreSQL keeps no text that holds one."

    def __init__(self) -> None:
        super().__init__("A text holds the character U+0000.")


class UnknownScope(Invalid):
    code = "unknown_scope"
    remedy = "Name servers and groups that exist, and one of the modes tools, servers, search, auto."

    def __init__(self, what: str) -> None:
        super().__init__(f"The scope names {what}, which does not exist.")


# groups


class UnknownGroup(NotFound):
    def __init__(self, group_id: str) -> None:
        super().__init__(f"There is no group {group_id}.")


class GroupNameTaken(Conflict):
    code = "group_name_taken"
    remedy = "Choose another name."

    def __init__(self, name: str) -> None:
        super().__init__(f"You have a group named {name!r}.")


class UnknownServer(Invalid):
    code = "unknown_server"
    remedy = "Name servers from the list you see."

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no server {name!r}.")


# servers


class UnknownServerId(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no server {name!r}.")


class UnknownTool(NotFound):
    def __init__(self, tool: str) -> None:
        super().__init__(f"The server has no tool {tool[:200]!r} on the record.")


class ToolNameTaken(Conflict):
    code = "tool_name_taken"
    remedy = "Choose a name that no tool of the server has."

    def __init__(self, name: str, tool: str, server: str) -> None:
        super().__init__(f"Tool {tool[:200]!r} of server {server!r} has the name {name!r} already, or one like it.")


class DefinitionOutdated(Conflict):
    code = "definition_outdated"
    remedy = "Look at what waits now, and approve that."

    def __init__(self, tool: str) -> None:
        super().__init__(f"Another definition of tool {tool[:200]!r} waits by now.")


class ServerExists(Conflict):
    code = "server_exists"
    remedy = "Choose another name, or change the server that has it."

    def __init__(self, name: str) -> None:
        super().__init__(f"A server named {name!r} exists.")


class SettingsInvalid(Invalid):
    """`errors` holds every problem of the document, not only the first."""

    code = "settings_invalid"
    remedy = "Correct the places named in `errors`; nothing was changed."

    def __init__(self, errors: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(f"The settings document has {len(errors)} error(s).")
        self.errors = errors


# values


class ValuesRefused(Invalid):
    """`errors` holds each value that was refused and why; nothing was saved."""

    code = "invalid_values"
    remedy = "Correct the values named in `errors`; nothing was saved."

    def __init__(self, errors: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(f"{len(errors)} value(s) cannot be saved.")
        self.errors = errors
        if len(errors) == 1:
            self.code = errors[0][1]  # type: ignore[misc]


class ScheduleInvalid(Invalid):
    """`errors` holds every member that cannot be used; nothing was changed."""

    code = "invalid_schedule"
    remedy = "Correct the members named in `errors`; nothing was changed."

    def __init__(self, errors: tuple[tuple[str, str, str], ...]) -> None:
        super().__init__(f"{len(errors)} member(s) of the schedule cannot be used.")
        self.errors = errors


class UnknownHubVariable(NotFound):
    def __init__(self, name: str) -> None:
        super().__init__(f"No value is stored for {name}.")


# taking back what was done


class NotUndoable(Conflict):
    """A fact that is not taken back.

    Args:
        position: of the fact that stands in the way, or that is to be undone instead; 0 when there is none.
    """

    code = "undo_impossible"

    def __init__(self, text: str, remedy: str = "", position: int = 0) -> None:
        super().__init__(text)
        self.remedy = remedy
        self.position = position


class NoChange(NotUndoable):
    code = "undo_no_change"

    def __init__(self) -> None:
        super().__init__("This says that something happened. It set nothing that could be set back.")


class ValueGone(NotUndoable):
    code = "undo_value_gone"

    def __init__(self) -> None:
        super().__init__(
            "The value that was there cannot be read any more: its data key was destroyed.", "Enter the value again."
        )


class Erased(NotUndoable):
    code = "undo_erased"

    def __init__(self) -> None:
        super().__init__("An erasure is final.", "Register the person anew.")


class KeyIsOver(NotUndoable):
    code = "undo_key_over"

    def __init__(self) -> None:
        super().__init__("A key that was revoked, rotated or has ended does not come back.", "Issue a new key.")


class Outlives(NotUndoable):
    """Something new came into the world, and stays known whatever is done."""

    code = "undo_outlives"

    def __init__(self, remedy: str) -> None:
        super().__init__("What this made stays on the record, so it cannot be as if it had not been.", remedy)


class WholeSave(NotUndoable):
    code = "undo_whole_save"

    def __init__(self, before: int) -> None:
        remedy = f"Restore the settings as of position {before}."
        super().__init__("This ends the save of a whole settings document.", remedy, before)


class PartOf(NotUndoable):
    code = "undo_part_of"

    def __init__(self, whole: int) -> None:
        super().__init__(f"This followed from the change at position {whole}.", f"Undo position {whole}.", whole)


class AlreadyUndone(NotUndoable):
    code = "undo_already"

    def __init__(self, by: int) -> None:
        super().__init__(f"It is as it was before: position {by} took it back.", "", by)


class Overtaken(NotUndoable):
    code = "undo_overtaken"

    def __init__(self, by: int) -> None:
        super().__init__(
            f"The same thing was changed again, last at position {by}.", f"Look at position {by} first.", by
        )


class PreviewOutdated(Conflict):
    code = "undo_preview_outdated"
    remedy = "Look at what it would change now, then undo it."

    def __init__(self, seen: int) -> None:
        super().__init__(f"Something was changed after position {seen}, which the preview was made at.")


class Irreversible(Conflict):
    code = "irreversible"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} cannot be undone: its data key was destroyed.")
        self.remedy = "Enter the value again."
