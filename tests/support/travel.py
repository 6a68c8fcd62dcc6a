"""A browser's way to a provider and back, step by step, so that a test can go astray at each."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.api import Api, Browser

GITHUB, OIDC = "/api/oauth/github", "/api/oauth/oidc/oidc"


async def set_out(browser: Browser, start: str = GITHUB, **query: str) -> str:
    """The provider's address the hub sends the browser to."""
    response = await browser.get(start, params=query)
    assert response.status_code == 302, response.text
    return response.headers["location"]


async def agree(address: str, transport: httpx.AsyncBaseTransport | None = None) -> str:
    """The person agrees at the provider; the address it sends the browser back to."""
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.get(address)
    assert response.status_code == 302, response.text
    return response.headers["location"]


async def come_back(browser: Browser, address: str) -> httpx.Response:
    parts = urlsplit(address)
    return await browser.get(f"{parts.path}?{parts.query}")


async def travel(browser: Browser, start: str = GITHUB, **query: str) -> httpx.Response:
    """There and back again; the hub's answer."""
    return await come_back(browser, await agree(await set_out(browser, start, **query)))


async def signed_in(api: Api, start: str = GITHUB) -> Browser:
    """A new browser, signed in."""
    browser = api.browser()
    response = await travel(browser, start)
    assert response.headers["location"] in {"/", "/?welcome=true"}, response.headers["location"]
    browser.csrf = browser.client.cookies["mcphub_csrf"]
    browser.user_id = (await me(browser))["id"]
    return browser


async def me(browser: Browser) -> Any:
    return await browser.data("GET", "/api/user/me")


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query, keep_blank_values=True).items()}


def outcome(response: httpx.Response) -> str:
    """The code of the error page the browser was sent to; '' when it was sent elsewhere."""
    assert response.status_code == 302, response.text
    location = response.headers["location"]
    return query_of(location)["code"] if location.startswith("/auth/error?") else ""
