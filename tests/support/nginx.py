"""The system's nginx with deploy/nginx.conf: but for ports and folders, which are a test's own, as the image has it."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.running import ROOT, free_port
from tests.support.waiting import eventually

CONFIGURATION = ROOT / "deploy/nginx.conf"
PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"


class Nginx:
    """
    Args:
        folder: for its files and its log.
        hub: the port of the hub behind it.
        port: its own; 0 takes a free one.
    """

    def __init__(self, folder: Path, hub: int, *, port: int = 0, pages: Path = ROOT / "src/api/static") -> None:
        found = shutil.which("nginx", path=PLACES)
        if found is None:
            pytest.skip("there is no nginx here: apt install nginx-light")
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        self.configuration = folder / "nginx.conf"
        (folder / "tmp").mkdir()
        self.configuration.write_text(
            placed(
                CONFIGURATION.read_text(),
                {
                    "listen 8080;": f"listen 127.0.0.1:{self.port};",
                    "server hub:3000 ": f"server 127.0.0.1:{hub} ",
                    "root /srv/mcphub;": f"root {pages};",
                },
            ).replace(" /tmp/", f" {folder}/tmp/")
        )
        self._command = [found, "-e", "stderr", "-c", str(self.configuration)]
        self._process: subprocess.Popen[bytes] | None = None

    def check(self) -> str:
        """What `nginx -t` says of the configuration."""
        done = subprocess.run([*self._command, "-t"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def start(self) -> "Nginx":
        options = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")  # the folders are private
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, "-g", options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        eventually(self._answers, within=10, what=self.said)
        return self

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"{self.url}/livez", trust_env=False)
            return True
        return False

    def said(self) -> str:
        return self.log.read_text()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(10)


def placed(text: str, changes: dict[str, str]) -> str:
    """The text with what stands in it once replaced."""
    for before, after in changes.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text
