"""What stands behind the addresses under `/mcp`."""

from datetime import datetime

from mcphub.domain.access import ALL, AccessModel, Principal, View
from mcphub.domain.settings_file import objects
from mcphub.gateway.exposure import SMART, is_smart, search_on


def view_of(model: AccessModel, path: str, principal: Principal, at: datetime) -> View | None:
    """`/mcp`, `/mcp/{server slug}`, `/mcp/{own group's slug}` or `/mcp/g/{own group's id}`, and in mode `search`
    `/mcp/$smart` and `/mcp/$smart/{own group's slug}`; None for anything else.

    A server or group that this user may not see is not there.
    """
    if is_smart(path):
        if not search_on(model):
            return None
        name = path.removeprefix(SMART).strip("/")
        return _own_group(model, principal, name) if name else ALL
    name = path.removeprefix("/mcp").strip("/")
    if not name:
        routing = objects(model.settings.system, "routing")
        return None if routing.get("enableGlobalRoute") is False else ALL
    groups = model.groups_of.get(principal.user_id, {})
    if name.startswith("g/"):
        group = groups.get(name[2:])
        return View("group", group.group_id) if group is not None and group.active else None
    server = model.settings.by_slug(name)
    if server is not None:
        view = View("server", server.server_id)
        reasons = model.reasons(principal, view, at)
        return view if reasons.get(server.server_id) == "allowed" else None
    return _own_group(model, principal, name)


def _own_group(model: AccessModel, principal: Principal, slug: str) -> View | None:
    group = model.group_by_slug(principal.user_id, slug)
    return View("group", group.group_id) if group is not None and group.active else None
