"""The built user interface, served from memory in front of the management API; nothing in it is anybody's data.

It answers with files of the folder, and with `index.html` to a browser that goes to a page. What is the API's, the
gateway's or a probe's is never its: those paths answer as they do without an interface. A file that is gone is a 404,
so that a tab left open over an upgrade notices.
"""

from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path
from typing import Any

from msgspec import Struct

from mcphub.api.pages import prefers_html

FOLDER = Path(__file__).parent / "static"
INDEX = "/index.html"
# A page never lives below these, whatever a client says it accepts.
RESERVED = (
    *("api", "mcp", "oauth", "sse", "messages", ".well-known", "assets"),
    *("health", "livez", "readyz", "metrics"),
)
# Addresses without /api that answer with data. `/admin/users/list` is none: a browser goes there for the page.
DATA = {"/config", "/login/config"}
ENCODINGS = {"br": ".br", "gzip": ".gz"}  # the best first
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".json": "application/json",
}
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: https://avatars.githubusercontent.com; connect-src 'self'; object-src 'none';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]


class Asset(Struct, frozen=True):
    """A file in each form there is: '' as it is, then by encoding."""

    forms: dict[str, bytes]
    etags: dict[str, str]
    media_type: str
    immutable: bool


class WebUi:
    """The interface in front of an application.

    Args:
        assets: path → file, with `/index.html` among them.
        behind: answers everything that is not the interface's.
    """

    def __init__(self, assets: dict[str, Asset], behind: ASGIApp) -> None:
        self._assets = assets
        self._behind = behind

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asset = None
        if scope["type"] == "http" and scope["method"] == "GET":  # the door makes one of a HEAD
            headers = dict(scope["headers"])
            asset = self._asset(scope["path"], headers.get(b"accept", b"").decode("latin-1"))
        if asset is None:
            await self._behind(scope, receive, send)
            return
        encoding = chosen(headers.get(b"accept-encoding", b"").decode("latin-1"), asset.forms)
        known = headers.get(b"if-none-match", b"").decode("latin-1")
        status = 304 if asset.etags[encoding] in {tag.strip().removeprefix("W/") for tag in known.split(",")} else 200
        body = b"" if status == 304 else asset.forms[encoding]
        answer = [(name.encode(), value.encode()) for name, value in _headers(asset, encoding)]
        if status == 200:
            answer.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": answer})
        await send({"type": "http.response.body", "body": body})

    def _asset(self, path: str, accept: str) -> Asset | None:
        found = self._assets.get(path)
        if found is not None:
            return found
        first = path.strip("/").partition("/")[0].lower()
        if first in RESERVED or path.rstrip("/") in DATA or not prefers_html(accept):
            return None
        return self._assets[INDEX]


def load_assets(folder: Path = FOLDER) -> dict[str, Asset]:
    """What the build left there, about 5 MB; {} when it was not built."""
    if not (folder / INDEX[1:]).is_file():
        return {}
    assets = {}
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if not file.is_file() or file.suffix in ENCODINGS.values() or any(part[0] == "." for part in path.parts):
            continue
        forms = {"": file.read_bytes()}
        for encoding, suffix in ENCODINGS.items():
            packed = file.with_name(file.name + suffix)
            if packed.is_file():
                forms[encoding] = packed.read_bytes()
        assets[f"/{path.as_posix()}"] = Asset(
            forms=forms,
            etags={encoding: f'"{sha256(body).hexdigest()[:32]}"' for encoding, body in forms.items()},
            media_type=TYPES.get(file.suffix) or guess_type(file.name)[0] or "application/octet-stream",
            immutable=path.parts[0] == "assets",  # the build puts a digest into these names
        )
    return assets


def chosen(accepted: str, forms: Iterable[str]) -> str:
    """The best form of those there are that the client takes; '' is the file as it is."""
    weights: dict[str, float] = {}
    for part in accepted.split(","):
        name, _, parameter = part.partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter.strip() else 1.0
        except ValueError:
            weight = 0.0
        weights[name.strip().lower()] = weight
    there = set(forms)
    return next((name for name in ENCODINGS if name in there and weights.get(name, 0.0) > 0), "")


def _headers(asset: Asset, encoding: str) -> list[tuple[str, str]]:
    out = [
        ("content-type", asset.media_type),
        ("etag", asset.etags[encoding]),
        ("vary", "accept-encoding"),
        ("cache-control", "public, max-age=31536000, immutable" if asset.immutable else "no-cache"),
    ]
    if encoding:
        out.append(("content-encoding", encoding))
    if asset.media_type.startswith("text/html"):
        out.append(("content-security-policy", POLICY))
    return out
