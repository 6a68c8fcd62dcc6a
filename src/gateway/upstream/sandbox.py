"""Runs between the hub and a server's process: limits, then the server itself in its place. Standard library only.

python -m mcphub.gateway.upstream.sandbox LEVEL PARENT -- command arguments…
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def main() -> None:
    at = sys.argv.index("--")
    parent = int(sys.argv[at - 1])
    command = sys.argv[at + 1 :]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != parent:  # the hub died before the kernel was told to tell us
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  no shell is what is wanted


if __name__ == "__main__":
    main()
