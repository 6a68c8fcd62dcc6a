"""The management API as scripts use it: a token, plain calls, and the few steps that every scenario begins with."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx


class Answered(AssertionError):
    """The hub answered something else than the test expected."""

    def __init__(self, response: httpx.Response, expected: Any) -> None:
        request = response.request
        super().__init__(
            f"{request.method} {request.url.path} answered {response.status_code}, not {expected}:"
            f" {response.text[:2000]}"
        )
        self.response = response


class Rest:
    """One caller of the API.

    Args:
        url: of the hub, without a path.
        token: a script token, sent as Bearer; '' for nobody.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)

    def close(self) -> None:
        self.http.close()

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, path, **options)

    def ask(self, method: str, path: str, *, expect: int | tuple[int, ...] = (200, 201, 204), **options: Any) -> Any:
        """`data` of the answer, or the whole problem when a refusal is expected; None for an empty body."""
        expected = (expect,) if isinstance(expect, int) else expect
        response = self.send(method, path, **options)
        if response.status_code not in expected:
            raise Answered(response, expected)
        if not response.content:
            return None
        body = response.json()
        return body["data"] if response.status_code < 400 and "data" in body else body

    def get(self, path: str, **options: Any) -> Any:
        return self.ask("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        return self.ask("POST", path, json=json if json is not None else {}, **options)

    def put(self, path: str, json: Any, **options: Any) -> Any:
        return self.ask("PUT", path, json=json, **options)

    def patch(self, path: str, json: Any, **options: Any) -> Any:
        return self.ask("PATCH", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.ask("DELETE", path, **options)


@dataclass
class Person:
    """A user of the hub and what they can do through the API."""

    rest: Rest
    id: str
    username: str
    password: str
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.rest.url

    def key(self, name: str = "ide", **more: Any) -> str:
        """The full value of the key of that name; issued the first time."""
        if name not in self.keys:
            self.keys[name] = self.rest.post("/api/oauth/keys", {"name": name, **more}, expect=201)
        return str(self.keys[name]["keyValue"])

    def save(self, server: str, **values: str | None) -> Any:
        """Enters values for a server's variables."""
        return self.rest.post("/api/user-env-vars", {"envVars": {server: values}})

    def group(self, name: str, *servers: str) -> Any:
        return self.rest.post("/api/user/groups", {"name": name, "servers": list(servers)}, expect=201)

    def requests(self, **filters: Any) -> list[dict[str, Any]]:
        """The caller's own request history, newest first, all pages."""
        return pages(self.rest, "/api/requests", filters)


class Admin(Person):
    """The administrator a script has."""

    def settings(self) -> tuple[dict[str, Any], str]:
        """The settings document and its ETag."""
        response = self.rest.send("GET", "/api/admin/settings-file")
        if response.status_code != 200:
            raise Answered(response, 200)
        return response.json()["data"]["settings"], response.headers["etag"]

    def save_settings(self, settings: dict[str, Any]) -> Any:
        """Replaces the document, whatever it was."""
        _, etag = self.settings()
        return self.rest.put("/api/admin/settings-file", {"settings": settings}, headers={"If-Match": etag})

    def add_servers(self, servers: dict[str, dict[str, Any]]) -> Any:
        """Adds or replaces entries of the settings document by one save."""
        settings, etag = self.settings()
        settings = {**settings, "mcpServers": {**settings.get("mcpServers", {}), **servers}}
        return self.rest.put("/api/admin/settings-file", {"settings": settings}, headers={"If-Match": etag})

    def remove_servers(self, *names: str) -> Any:
        settings, etag = self.settings()
        left = {name: config for name, config in settings["mcpServers"].items() if name not in names}
        return self.rest.put(
            "/api/admin/settings-file", {"settings": {**settings, "mcpServers": left}}, headers={"If-Match": etag}
        )

    def user(self, username: str, *, admin: bool = False, sign_in: bool = True) -> Person:
        """A new active local user, signed in."""
        password = f"{username}-Pass-word-1"
        made = self.rest.post(
            "/api/admin/users", {"username": username, "password": password, "isAdmin": admin}, expect=201
        )["user"]
        rest = log_in(self.url, username, password) if sign_in else Rest(self.url)
        return Person(rest, made["id"], username, password)

    def set_active(self, person: Person, active: bool) -> Any:
        return self.rest.put(f"/api/admin/users/{person.id}/active", {"isActive": active})

    def set_admin(self, user_id: str, admin: bool, **options: Any) -> Any:
        return self.rest.put(f"/api/admin/users/{user_id}/admin", {"isAdmin": admin}, **options)

    def all_requests(self, **filters: Any) -> list[dict[str, Any]]:
        return pages(self.rest, "/api/requests", {"all": "true", **filters})

    def audit(self, **filters: Any) -> list[dict[str, Any]]:
        return pages(self.rest, "/api/audit", filters)


def log_in(url: str, username: str, password: str) -> Rest:
    """A caller with a script token."""
    nobody = Rest(url)
    got = nobody.post("/api/auth/login", {"username": username, "password": password, "issueToken": True})
    nobody.close()
    return Rest(url, got["token"])


def administrator(url: str, password: str) -> Admin:
    rest = log_in(url, "admin", password)
    return Admin(rest, rest.get("/api/user/me")["id"], "admin", password)


def pages(rest: Rest, path: str, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Every row of a paged list."""
    rows: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        response = rest.send("GET", path, params={**filters, **cursor})
        if response.status_code != 200:
            raise Answered(response, 200)
        body = json.loads(response.text)
        rows += body["data"]
        following = (body.get("page") or {}).get("next")
        if not following:
            return rows
        cursor = {"cursor": following}
