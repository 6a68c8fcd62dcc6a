"""The command line as its users run it: a process with an environment of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MCPHUB = str(Path(sys.executable).with_name("mcphub"))


@dataclass
class Commands:
    """Runs `mcphub` on one home.

    Args:
        home: of the hub.
        env: beside PATH and HOME; nothing else of the tests' environment reaches it.
    """

    home: Path
    env: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str | bytes = "", code: int = 0) -> subprocess.CompletedProcess[bytes]:
        """Runs it and expects this exit code."""
        done = subprocess.run(
            [MCPHUB, *arguments, "--home", str(self.home)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            cwd="/",
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", **self.env},
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def say(self, *arguments: str, stdin: str = "", code: int = 0) -> str:
        """Both outputs together."""
        done = self.run(*arguments, stdin=stdin, code=code)
        return (done.stdout + done.stderr).decode()

    def json(self, *arguments: str, stdin: str = "", code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", stdin=stdin, code=code).stdout)
