"""The command line as an operator uses it."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def run_mcphub(
    *arguments: str, home: Path, env: Mapping[str, str], stdin: bytes = b"", within: float = 120
) -> subprocess.CompletedProcess[bytes]:
    """`mcphub …`, the home by environment, as the hub itself was started."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("mcphub")), *arguments],
        cwd="/",
        env={**env, "MCPHUB_HOME": str(home)},
        input=stdin,
        capture_output=True,
        timeout=within,
    )


def mcphub(*arguments: str, home: Path, env: Mapping[str, str], stdin: bytes = b"", within: float = 120) -> bytes:
    """Standard output of a command that must succeed."""
    done = run_mcphub(*arguments, home=home, env=env, stdin=stdin, within=within)
    assert done.returncode == 0, (arguments, done.returncode, done.stderr.decode(errors="replace")[-3000:])
    return done.stdout
