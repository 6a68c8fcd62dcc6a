"""Everything that goes wrong becomes one form: problem details with a stable code and the request id.

A refusal of the domain and a problem of the door look alike to a client. What nobody expected is a 500 whose text tells
nothing; the log has it under the same request id.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.params import QueryParameter
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace
from psycopg_pool import PoolTimeout, TooManyRequests

from mcphub.api.incoming import incoming
from mcphub.api.korean import place_in_korean, problem_in_korean
from mcphub.domain.errors import Refused
from mcphub.domain.findings import DocumentRefused, Finding
from mcphub.postgres.ledger import LedgerUnavailable

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:mcphub:problem:"


class FieldProblem(Struct, rename="camel"):
    """What is wrong with one part of the request; line and column when it was sent as text."""

    pointer: str
    code: str
    detail: str
    line: int | UnsetType = UNSET
    column: int | UnsetType = UNSET


class ProblemDetails(Struct, rename="camel", kw_only=True):
    """RFC 9457, with the contract's extensions; `success` and `message` are for clients of the earlier hub."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[FieldProblem] = []
    success: bool = False
    message: str = ""


class Problem(Exception):
    """A request that cannot be answered as asked.

    Args:
        title: what failed; `detail`: what to do.
        retry_after: seconds, for a problem that passes.
        errors: (JSON pointer, code, text) for each part that is wrong, perhaps with line and column.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        *,
        retry_after: int | None = None,
        errors: Sequence[tuple[str, str, str] | tuple[str, str, str, int, int]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def details(self, instance: str) -> ProblemDetails:
        """In the language that was asked for, which changes texts only."""
        request = incoming()
        title, detail = self.title, self.detail or self.title
        errors = [FieldProblem(*error) for error in self.errors]
        if request.korean:
            title, detail = problem_in_korean(self.code, title, detail)
            errors = [replace(error, detail=place_in_korean(error.code, error.detail)) for error in errors]
        return ProblemDetails(
            type=TYPE + self.code,
            title=title,
            status=self.status,
            detail=detail,
            instance=instance,
            code=self.code,
            request_id=request.request_id,
            errors=errors,
            message=detail,
        )

    def sent_headers(self) -> dict[str, str]:
        return {**self.headers, "Content-Language": "ko" if incoming().korean else "en"}


def not_authenticated() -> Problem:
    return Problem(401, "not_authenticated", "Nobody is signed in.", "Sign in, then try again.")


def session_ended() -> Problem:
    return Problem(401, "session_ended", "This session has ended.", "Sign in again.")


def user_inactive() -> Problem:
    return Problem(403, "user_inactive", "This account is not active.", "Ask an administrator to activate it.")


def user_pending() -> Problem:
    return Problem(
        403, "user_pending", "This account was not let in yet.", "An administrator has to activate it first."
    )


def admin_required() -> Problem:
    return Problem(403, "admin_required", "This is for administrators.", "Ask an administrator to do it.")


def auditor_required() -> Problem:
    return Problem(403, "admin_required", "This is for administrators and auditors.", "Ask an administrator for it.")


def key_not_allowed() -> Problem:
    return Problem(
        403, "key_not_allowed", "An MCPHub key opens MCP addresses only.", "Sign in and send the session's token."
    )


def csrf_failed() -> Problem:
    return Problem(
        403, "csrf_failed", "The request did not come from the hub's own pages.", "Reload the page, then try again."
    )


def not_found(what: str = "") -> Problem:
    return Problem(404, "not_found", what or "There is nothing at this address.", "Check the address.")


def not_visible() -> Problem:
    """One answer for what is hidden, switched off and unknown."""
    return Problem(403, "not_visible", "You cannot use such a tool.", "Look at what your active groups show.")


def variables_missing(names: Sequence[str]) -> Problem:
    return Problem(
        409,
        "variables_missing",
        f"The server needs {', '.join(names)} first.",
        "Enter what is missing, then try again.",
        errors=[("", "variable_missing", name) for name in names],
    )


def not_ready(why: str = "The hub cannot decide on current facts right now.") -> Problem:
    return Problem(503, "not_ready", why, "Try again in a moment.", retry_after=1)


def invalid(detail: str, *errors: tuple[str, str, str], code: str = "invalid_request") -> Problem:
    return Problem(422, code, detail, "Correct the request; nothing was changed.", errors=errors)


# from exceptions


def problem_of(error: BaseException) -> Problem:
    """The problem behind any exception; one nobody foresaw tells nothing."""
    match error:
        case Problem():
            return error
        case DocumentRefused():
            places = [_place(found) for found in error.findings]
            return Problem(error.status, error.code, str(error), error.remedy, errors=places)
        case Refused():
            headers = {"Retry-After": "1"} if error.code == "busy" else None
            return Problem(error.status, error.code, str(error), error.remedy, errors=error.errors, headers=headers)
        case LedgerUnavailable():
            return Problem(
                503,
                "not_recorded",
                "The change could not be recorded, so it did not happen.",
                "Try again in a moment.",
                retry_after=2,
            )
        case psycopg.OperationalError() | psycopg.InterfaceError() | PoolTimeout() | TooManyRequests():
            return not_ready("The database does not answer.")
        case ValidationException():
            extra = error.extra if isinstance(error.extra, list) else []
            return invalid("The request has values that cannot be used.", *(_field(item) for item in extra))
        case HTTPException():
            return _http(error)
    return Problem(
        500,
        "internal_error",
        "The hub failed to answer.",
        "Try again; if it stays, give an administrator the request id.",
    )


def _place(found: Finding) -> tuple[str, str, str] | tuple[str, str, str, int, int]:
    where = (found.pointer, found.code, found.detail)
    return (*where, found.line, found.column) if found.line else where


def _field(item: Any) -> tuple[str, str, str]:
    key = str(item.get("key", "")) if isinstance(item, dict) else ""
    if key == "data":  # the handler's name for the body
        return ("", "invalid_value", "a body is needed")
    text = str(item.get("message", "")) if isinstance(item, dict) else str(item)
    return (f"/{key}" if key else "", "invalid_value", text)


def _as_sent(request: Request[Any, Any, Any], error: ValidationException) -> None:
    """Names a parameter as the caller wrote it, not as the handler does."""
    parameters = request.route_handler.parsed_fn_signature.parameters
    for item in error.extra if isinstance(error.extra, list) else []:
        parameter = parameters.get(str(item.get("key", ""))) if isinstance(item, dict) else None
        if parameter is not None and isinstance(parameter.kwarg_definition, QueryParameter):
            item["key"] = parameter.kwarg_definition.name or item["key"]


def _http(error: HTTPException) -> Problem:
    match error.status_code:
        case 404:
            return not_found()
        case 405:
            return Problem(405, "method_not_allowed", "This address does not take that method.", headers=error.headers)
        case 413:
            return Problem(413, "body_too_large", "The request's body is too large.", "Send less at once.")
        case 400:
            return Problem(400, "malformed_json", "The request cannot be read.", "Send valid JSON.")
        case status if status < 500:
            return Problem(status, "invalid_request", "The request cannot be answered.")
    return Problem(500, "internal_error", "The hub failed to answer.")


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The one exception handler of the application."""
    if isinstance(error, ValidationException):
        _as_sent(request, error)
    problem = problem_of(error)
    if problem.code == "internal_error":
        log.error("request_failed", path=request.url.path, method=request.method, exc_info=error)
    elif problem.status == 503:
        log.warning("request_not_served", path=request.url.path, code=problem.code, why=type(error).__name__)
    return Response(
        problem.details(request.url.path),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=problem.sent_headers(),
    )
