"""`mcp_settings.json` as one document: read, rehearsed, saved, brought back; and `systemConfig` alone."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import UNSET, Raw, Struct, UnsetType

from mcphub.api import settings_history as history
from mcphub.api.caller import ADMIN
from mcphub.api.incoming import incoming
from mcphub.api.korean import place_in_korean
from mcphub.api.literals import Literals, policy_of
from mcphub.api.paging import DEFAULT, bad_cursor, size_of
from mcphub.api.problems import Problem, invalid, not_found
from mcphub.api.schemas import Envelope, Out, Page, Schema, at_each
from mcphub.api.services import Services
from mcphub.domain import servers as rules
from mcphub.domain.codec import decode_meta
from mcphub.domain.errors import Outdated, Refused
from mcphub.domain.findings import Finding
from mcphub.domain.ids import new_id
from mcphub.domain.literal_secrets import masked, restored, seal_secrets, seal_system
from mcphub.domain.settings_check import check, check_system
from mcphub.domain.settings_file import Document, Positions, dump, parse
from mcphub.domain.settings_schema import settings_schema
from mcphub.domain.settings_state import SettingsState

MOST_BODY = 9 * 1024 * 1024  # a document of 4 MiB, each of its quotes escaped


class SettingsSave(Schema, kw_only=True):
    """Exactly one of `settings` and `text`. `version` stands in for If-Match."""

    settings: Raw | UnsetType = UNSET
    text: str | UnsetType = UNSET
    version: int | UnsetType = UNSET


class SettingsFile(Out, kw_only=True):
    settings: dict[str, Any]
    text: str
    version: int


class SettingsFileAnswer(Envelope, kw_only=True):
    data: SettingsFile


class Change(Out, kw_only=True):
    """A fact that is, or would be, recorded."""

    type: str
    server: str
    summary: str


class SettingsWarning(Out, kw_only=True):
    """Something odd about the document; `line` and `column` are 0 when no text was sent."""

    pointer: str
    code: str
    detail: str
    line: int
    column: int


class Reconnecting(Out, kw_only=True):
    server: str
    runtimes: int


class Missing(Out, kw_only=True):
    """A variable that users will be asked for, and how many active users have no value yet."""

    server: str
    name: str
    users: int


class Impact(Out, kw_only=True):
    reconnecting: list[Reconnecting]
    missing: list[Missing]


class SettingsSaved(Out, kw_only=True):
    version: int
    changes: list[Change]
    warnings: list[SettingsWarning]
    impact: Impact


class SettingsSavedAnswer(Envelope, kw_only=True):
    data: SettingsSaved


class SchemaAnswer(Envelope, kw_only=True):
    data: dict[str, Any]


class SystemConfigAnswer(Envelope, kw_only=True):
    data: dict[str, Any]
    warnings: list[SettingsWarning]


class _Prepared(Struct):
    document: Document
    warnings: list[Finding]
    digest: str


class SettingsRestore(Schema, kw_only=True):
    """`version`, the present one that was looked at, stands in for If-Match."""

    version: int | UnsetType = UNSET


class SettingsVersion(Out, kw_only=True):
    """What one save, switch or import recorded: `facts` in all, `changes` the first of them, by last names.

    `version` is the position of its last fact, and the document's ETag from then on.
    """

    version: int
    at: datetime
    actor: str
    actor_kind: str
    actor_name: str
    source: str
    command: str
    facts: int
    changes: list[Change]


class SettingsVersionsAnswer(Envelope, kw_only=True):
    data: list[SettingsVersion]
    page: Page


class _Noting(rules.ApplySettings):
    """Notes what it records and what it started from."""

    def execute(self) -> None:
        before = {server_id: (server.name, server.spec) for server_id, server in self.state.servers.items()}
        super().execute()
        self.changes = rules.changes_of(self)
        self.reopened = [
            (name, server_id)
            for server_id, (name, spec) in before.items()
            if (now := self.state.servers.get(server_id)) is None
            or now.spec.transport_digest != spec.transport_digest
            or not now.enabled
        ]
        self.asked = [
            (server, slot)
            for server in self.state.servers.values()
            if server.enabled
            for slot in server.slots.values()
            if slot.required
            and (server.server_id not in before or slot.canonical not in before[server.server_id][1].slots)
        ]


class ApplySettings(_Noting):
    """The command of a save."""


class RestoreSettings(_Noting, rules.RestoreSettings):
    """The command that brings a version back."""


class SettingsFileController(Controller):
    path = "/api/admin/settings-file"
    tags = ("Settings",)

    @get("/", operation_id="settingsFile", summary="The settings document, literal secrets masked", who=ADMIN)
    async def read(self, services: NamedDependency[Services]) -> Response[SettingsFileAnswer]:
        state = services.model.settings
        document, version = state.document(), state.version
        shown, text = await asyncio.to_thread(_shown, document)
        data = SettingsFile(settings=shown, text=text, version=version)
        return Response(SettingsFileAnswer(data=data), headers={"ETag": etag(version)})

    @get("/schema", operation_id="settingsSchema", summary="JSON Schema of the document, for editors", who=ADMIN)
    async def schema(self) -> SchemaAnswer:
        return SchemaAnswer(data=settings_schema())

    @put(
        "/",
        operation_id="saveSettingsFile",
        summary="Save the settings document, or rehearse it with dryRun",
        request_max_body_size=MOST_BODY,
        own_text_rules=True,
        who=ADMIN,
    )
    async def save(
        self,
        data: JSONBody[SettingsSave],
        services: NamedDependency[Services],
        if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
        dry_run: Annotated[bool, QueryParameter(name="dryRun")] = False,
    ) -> Response[SettingsSavedAnswer]:
        """One save is one append of the facts that differ, on condition that nothing changed since `If-Match`."""
        seen = await _seen(services, if_match, data.version, dry_run)
        prepared = await asyncio.to_thread(_prepare, data, services)
        literals = Literals(services.vault, rehearsal=dry_run)
        try:
            current = services.model.settings.document()
            wanted = await asyncio.to_thread(seal_secrets, prepared.document, current, literals.seal, literals.same)
            return await _recorded(
                services, lambda: ApplySettings(wanted, prepared.digest, new_id), seen, dry_run, prepared.warnings
            )
        except (Refused, Problem):
            await asyncio.to_thread(literals.discard)
            raise

    @get("/versions", operation_id="settingsVersions", summary="Every change of the document, newest first", who=ADMIN)
    async def versions(
        self,
        services: NamedDependency[Services],
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> SettingsVersionsAnswer:
        """A cursor is a position; any will do."""
        if after and not (after.isascii() and after.isdecimal() and len(after) < 19):
            raise bad_cursor()
        size = size_of(limit)
        rows = await history.versions(services.read, before=int(after) if after else None, size=size + 1)
        page = rows[:size]
        names = rules.names_in(services.model.settings)
        said = await history.changes_at(services.read, (at for row in page for at in row.positions), names)
        metas = [decode_meta(row.meta) for row in page]
        people = await services.directory.names({meta.actor for meta in metas if meta.actor_kind == "user"})
        data = [
            SettingsVersion(
                version=row.version,
                at=row.at,
                actor=meta.actor,
                actor_kind=meta.actor_kind,
                actor_name=people[meta.actor].username if meta.actor in people else meta.actor,
                source=meta.source,
                command=meta.command,
                facts=row.facts,
                changes=[Change(**said[position]) for position in row.positions],
            )
            for row, meta in zip(page, metas, strict=True)
        ]
        following = str(page[-1].first) if len(rows) > size else None
        return SettingsVersionsAnswer(data=data, page=Page(next=following, limit=size))

    @get(
        "/versions/{version:int}",
        operation_id="settingsVersion",
        summary="The document as of a position, literal secrets masked",
        who=ADMIN,
    )
    async def version(self, version: FromPath[int], services: NamedDependency[Services]) -> SettingsFileAnswer:
        """Any position will do; `version` in the answer is the change it followed, 0 before the first."""
        state = await _state_at(services, version)
        shown, text = await asyncio.to_thread(_shown, state.document())
        return SettingsFileAnswer(data=SettingsFile(settings=shown, text=text, version=state.version))

    @post(
        "/versions/{version:int}/restore",
        operation_id="restoreSettingsVersion",
        summary="Save the document as it was at a position, or rehearse that with dryRun",
        status_code=200,
        who=ADMIN,
    )
    async def restore(
        self,
        version: FromPath[int],
        data: JSONBody[SettingsRestore],
        services: NamedDependency[Services],
        if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
        dry_run: Annotated[bool, QueryParameter(name="dryRun")] = False,
    ) -> Response[SettingsSavedAnswer]:
        """A new save like any other: what the hub would not accept today is refused. Literal secrets are those of then;
        one whose key is gone is the present one of its place.
        """
        seen = await _seen(services, if_match, data.version, dry_run)
        then = await _state_at(services, version)
        report = await asyncio.to_thread(check, masked(then.document()), policy_of(services))
        report.refuse()
        literals, now = Literals(services.vault), services.model.settings.document()
        wanted = await asyncio.to_thread(restored, then.document(), now, literals.opens)
        names = {server.server_id: server.name for server in then.servers.values()}
        digest = rules.digest(dump(masked(wanted)))
        return await _recorded(
            services, lambda: RestoreSettings(wanted, digest, new_id, names), seen, dry_run, report.warnings
        )


class SystemConfigController(Controller):
    path = "/api"
    tags = ("Settings",)

    @get(
        ["/system-config", "/settings"],
        operation_id=at_each("systemConfig", "/api/system-config"),
        summary="The hub's own settings",
        who=ADMIN,
    )
    async def read(self, services: NamedDependency[Services]) -> SystemConfigAnswer:
        return SystemConfigAnswer(data=masked(services.model.settings.system), warnings=[])

    @put(
        "/system-config",
        operation_id="changeSystemConfig",
        summary="Change some of the hub's settings",
        own_text_rules=True,
        who=ADMIN,
    )
    async def change(self, data: JSONBody[dict[str, Any]], services: NamedDependency[Services]) -> SystemConfigAnswer:
        """Members given are merged into the present ones, one level deep; null takes a member out."""
        state = services.model.settings
        version, system = state.version, state.system
        wanted = _merged(system, data)
        report = check_system(wanted)
        report.refuse()
        literals = Literals(services.vault)
        try:
            sealed = await asyncio.to_thread(seal_system, wanted, system, literals.seal, literals.same)
            done = await services.commands.run(lambda: rules.ChangeSystemConfig(sealed), if_match=version)
        except Refused:
            await asyncio.to_thread(literals.discard)
            raise
        return SystemConfigAnswer(data=masked(sealed), warnings=warnings_of(report.warnings), position=done.position)


async def rehearsed(services: Services, data: SettingsSave) -> rules.ApplySettings:
    """The command of a save of the present document, which decided and records nothing.

    Raises:
        Problem, Refused: it cannot be saved.
    """
    prepared = await asyncio.to_thread(_prepare, data, services)
    literals, current = Literals(services.vault, rehearsal=True), services.model.settings.document()
    wanted = await asyncio.to_thread(seal_secrets, prepared.document, current, literals.seal, literals.same)
    return await asyncio.to_thread(services.hub.rehearse, lambda: rules.ApplySettings(wanted, prepared.digest, new_id))


def warnings_of(findings: list[Finding]) -> list[SettingsWarning]:
    korean = incoming().korean
    return [
        SettingsWarning(
            pointer=found.pointer,
            code=found.code,
            detail=place_in_korean(found.code, found.detail) if korean else found.detail,
            line=found.line,
            column=found.column,
        )
        for found in findings
    ]


def version_of(if_match: str | None) -> int | None:
    """The position in an If-Match header; None when it names no version."""
    text = (if_match or "").strip().removeprefix("W/").strip('"')
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _number(version: int | UnsetType) -> int | None:
    return version if isinstance(version, int) else None


def etag(version: int) -> str:
    return f'"{version}"'


def outdated(services: Services, seen: int) -> Problem:
    """412 with the version there is now."""
    error, now = Outdated(seen), services.model.settings.version
    return Problem(
        412, error.code, str(error), f"{error.remedy} It is at version {now} now.", headers={"ETag": etag(now)}
    )


def _prepare(data: SettingsSave, services: Services) -> _Prepared:
    """
    Raises:
        Problem, DocumentRefused, BodyTooLarge: it cannot be saved, whatever is there now.
    """
    if (data.settings is UNSET) == (data.text is UNSET):
        raise invalid("A save holds either settings or text.")
    text = data.text if isinstance(data.text, str) else bytes(data.settings)  # type: ignore[arg-type]
    document = parse(text)
    positions = Positions(text) if isinstance(text, str) else None
    report = check(document, policy_of(services), positions)
    report.refuse()
    return _Prepared(document, report.warnings, rules.digest(text))


async def _seen(services: Services, if_match: str | None, version: int | UnsetType, dry_run: bool) -> int | None:
    """The version a save is based on, which is the present one; None for a rehearsal that names none.

    Raises:
        Problem: it names none, or an older one.
    """
    seen = version_of(if_match) if if_match else _number(version)
    if seen is None and not dry_run:
        raise Problem(
            428,
            "version_required",
            "A save says which version it is based on.",
            "Send the ETag of the document you changed as If-Match.",
            headers={"ETag": etag(services.model.settings.version)},
        )
    if seen is not None and seen > services.model.settings.version:
        await services.commands.shown(seen)  # saved through another hub a moment ago
    if seen is not None and seen != services.model.settings.version:
        raise outdated(services, seen)
    return seen


async def _recorded(
    services: Services,
    build: Callable[[], _Noting],
    seen: int | None,
    dry_run: bool,
    warnings: list[Finding],
) -> Response[SettingsSavedAnswer]:
    """Runs the command, or rehearses it, and says what it recorded.

    Raises:
        Refused: a rule said no; nothing was recorded.
        Problem: the settings changed since.
    """
    position: int | UnsetType = UNSET
    try:
        if dry_run:
            command = await asyncio.to_thread(services.hub.rehearse, build)
            version = services.model.settings.version
        else:
            done = await services.commands.run(build, if_match=seen)
            command = done.command
            version, position = (done.position if done.changed else seen or 0), done.position
    except Outdated as error:
        raise outdated(services, seen or 0) from error
    saved = SettingsSaved(
        version=version,
        changes=[Change(**change) for change in command.changes],
        warnings=warnings_of(warnings),
        impact=await _impact(services, command),
    )
    return Response(SettingsSavedAnswer(data=saved, position=position), headers={"ETag": etag(version)})


async def _state_at(services: Services, position: int) -> SettingsState:
    if not 0 <= position <= services.model.settings.version:
        raise not_found("The settings have no such version yet.")
    return await history.state_at(services.read, position)


def _shown(document: Document) -> tuple[Document, str]:
    shown = masked(document)
    return shown, dump(shown)


def _merged(present: Document, given: Document) -> Document:
    out = dict(present)
    for member, value in given.items():
        before = out.get(member)
        if value is None:
            out.pop(member, None)
        elif isinstance(value, dict) and isinstance(before, dict):
            out[member] = {key: item for key, item in {**before, **value}.items() if item is not None}
        else:
            out[member] = value
    return out


async def _impact(services: Services, command: _Noting) -> Impact:
    open_ = Counter(
        live.info.server_id for place in await services.gateway.runtimes_everywhere() for live in place.found or ()
    )
    active = [user.user_id for user in services.model.users.values() if user.active]
    return Impact(
        reconnecting=[
            Reconnecting(server=name, runtimes=open_[server_id])
            for name, server_id in command.reopened
            if open_[server_id]
        ],
        missing=[
            Missing(
                server=server.name,
                name=slot.name,
                users=sum(
                    slot.canonical not in services.model.credentials_of(user, server.server_id) for user in active
                ),
            )
            for server, slot in command.asked
        ],
    )
