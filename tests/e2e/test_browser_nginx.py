"""The pages of a hub behind nginx, as the image `web` configures it, in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.browser import Visitor, chromium
from tests.support.nginx import Nginx
from tests.support.running import RunningHub, free_port

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


@pytest.fixture
def behind(make_home: Callable[[], Path], tmp_path: Path) -> Iterator[tuple[RunningHub, Nginx]]:
    port = free_port()
    hub = RunningHub(make_home(), tmp_path, env={"MCPHUB_PUBLIC_URL": f"http://127.0.0.1:{port}"})
    (tmp_path / "nginx").mkdir()
    nginx = Nginx(tmp_path / "nginx", hub.port, port=port)
    try:
        yield hub.start(), nginx.start()
    finally:
        nginx.stop()
        hub.end()


def test_a_person_signs_in_and_sees_their_pages(behind: tuple[RunningHub, Nginx]) -> None:
    hub, nginx = behind
    ann = hub.admin.user("ann")
    with chromium() as browser, Visitor(browser) as visitor:
        visitor.go(f"{nginx.url}/login")
        visitor.page.locator("input[name=username], input[autocomplete=username]").fill(ann.username)
        visitor.page.locator("input[type=password]").fill(ann.password)
        visitor.page.locator("button[type=submit]").click()
        visitor.page.get_by_role("navigation").first.wait_for()
        complaints: list[str] = []
        visitor.page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        visitor.answers.clear()  # it was nobody before
        visitor.go(f"{nginx.url}/servers")
        visitor.page.get_by_role("heading", level=1).wait_for()

        assert visitor.page.url == f"{nginx.url}/servers"
        assert complaints == []
        assert [answer.url for answer in visitor.answers if answer.status >= 400] == []
        assert any("/assets/" in answer.url for answer in visitor.answers)
