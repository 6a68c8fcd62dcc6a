"""What handlers say to the access log: who came in, who did not and why, which command was refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from litestar import Request

from mcphub.api.caller import ADMIN, SAFE, Caller
from mcphub.api.incoming import Note, Way, incoming
from mcphub.api.problems import problem_of
from mcphub.domain.errors import Refused

# Wrong, not allowed, in the way of a rule, used up, too often. A typing error in the form is none of these.
TURNED_AWAY = {401, 403, 409, 410, 429}
NOT_FOR_THEM = {"admin_required", "key_not_allowed"}


def note(entry: Note) -> None:
    """Written before this request's answer goes out, when it is `done`; right after it otherwise."""
    incoming().notes.append(entry)


def signed_in(user_id: str, way: Way) -> None:
    note(Note(action="sign_in", way=way, actor=user_id, subject=user_id))


def signed_out(user_id: str, *, by: str = "") -> None:
    """`by`: somebody else, who ended the user's sessions."""
    note(Note(action="sign_out", actor=by or user_id, subject=user_id))


@contextmanager
def attempt(
    way: Way,
    *,
    action: Literal["sign_in", "command"] = "sign_in",
    actor: str = "",
    subject: str = "",
    name_digest: str = "",
) -> Iterator[None]:
    """Somebody tries to prove who they are; what turns them away in here is noted."""
    try:
        yield
    except Exception as error:
        problem = problem_of(error)
        if problem.status in TURNED_AWAY:
            note(
                Note(
                    action=action,
                    outcome=problem.code,
                    way=way,
                    actor=actor,
                    subject=subject,
                    name_digest=name_digest,
                )
            )
        raise


def note_refusal(request: Request[Any, Any, Any], error: Exception) -> None:
    """An administrator's command, when somebody else sends it or a rule says no."""
    problem = problem_of(error)
    if problem.code in NOT_FOR_THEM or (_by_rule(request, error) and problem.status in TURNED_AWAY):
        caller = request.scope.get("user")
        actor = caller.user_id if isinstance(caller, Caller) else ""
        subject = str(request.path_params.get("user_id", ""))
        note(Note(action="command", outcome=problem.code, actor=actor, subject=subject))


def _by_rule(request: Request[Any, Any, Any], error: Exception) -> bool:
    """Did a rule refuse an administrator's command? Where no handler was found, none was sent."""
    handler = request.scope.get("route_handler")
    return (
        isinstance(error, Refused)
        and request.method not in SAFE
        and handler is not None
        and handler.opt.get("who") == ADMIN
    )
