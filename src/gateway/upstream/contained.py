"""What holds a server's processes: the layers its launcher put around them, and why the others are not there.

`sandbox.py` tells it for each process, because two servers of one hub may differ: below a hub of root the one's program
can be run by any account and the other's cannot. See docs/sandbox.md for what each layer keeps away.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from mcphub.gateway.upstream import sandbox
from mcphub.gateway.upstream.accounts import Accounts

MOST_TOLD = 64 * 1024  # bytes, the whole of a pipe
TRIED_WITHIN_S = 20.0

LAYERS = (
    "process",
    "limits",
    "no-new-privileges",
    "no-capabilities",
    "landlock-files",
    "landlock-signals",
    "account",
    "landlock-strict",
)


class Contained(Struct, frozen=True):
    """`missing` maps a layer to the reason why it is not there."""

    layers: tuple[str, ...] = ()
    missing: Mapping[str, str] = {}

    @property
    def level(self) -> str:
        """The layers in a word: `limits`, `landlock` or `landlock-strict`, behind `account-` when it has one."""
        kernel = next((name for name in ("landlock-strict", "landlock-files") if name in self.layers), "limits")
        word = "landlock" if kernel == "landlock-files" else kernel
        return f"account-{word}" if "account" in self.layers else word


def read(told: bytes) -> Contained | None:
    """What a launcher told; None when it told nothing."""
    try:
        return msgspec.json.decode(told, type=Contained)
    except msgspec.MsgspecError:
        return None


def expected(mode: str) -> Contained:
    """For a server none of whose processes has begun yet: what this machine gives to any."""
    abi, linux, root = sandbox.landlock_abi(), sys.platform == "linux", os.geteuid() == 0
    without = "" if linux else "only Linux has it"
    set_so = f"MCPHUB_STDIO_SANDBOX is {mode}"
    files = without or (set_so if mode == "limits" else "" if abi else "the kernel has no Landlock")
    not_yet = "its program has not been looked at yet"
    reasons = {
        "no-new-privileges": without,
        "no-capabilities": without or (not_yet if root else ""),
        "landlock-files": files,
        "landlock-signals": files or ("" if abi >= 6 else "the kernel's Landlock is older than 6.12"),
        "account": without
        or ("the hub is not run by root" if not root else set_so if mode in ("limits", "landlock") else not_yet),
        "landlock-strict": files or ("" if mode == "strict" else set_so),
    }
    missing = {layer: why for layer, why in reasons.items() if why}
    return Contained(tuple(layer for layer in LAYERS if layer not in missing), missing)


def tried(mode: str, home: Path, program: str) -> Contained | None:
    """What would hold this program below a hub with that home, tried in a directory of its own; None when it would not
    start. Blocking. Raises nothing: a machine on which it cannot be tried gives what is expected.
    """
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(dir=home if os.access(home, os.W_OK) else None, prefix="sandbox-") as folder:
        os.chmod(folder, 0o711)  # noqa: S103  accounts pass through it to their own, as through `children`
        own = Path(folder) / "own"
        own.mkdir(mode=0o700)
        told, report = os.pipe()
        options = {
            "parent": os.getpid(),
            "mode": mode,
            "own": [str(own)],
            "protect": [str(home)],
            "account": Accounts(Path(folder)).of(own) if root else 0,
            "look": program,
            "report": report,
        }
        command = [sys.executable, "-I", "-S", str(sandbox.__file__), json.dumps(options), "/bin/true"]
        try:
            subprocess.run(command, pass_fds=(report,), capture_output=True, timeout=TRIED_WITHIN_S, check=False)
        except (OSError, subprocess.SubprocessError):
            return expected(mode)
        finally:
            os.close(report)
            answer = os.read(told, MOST_TOLD)
            os.close(told)
    return read(answer)


def weakest(found: Iterable[Contained]) -> Contained | None:
    """Of several processes of one server the one that is held by least."""
    return min(found, key=lambda one: (len(one.layers), one.level), default=None)
