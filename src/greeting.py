"""What `mcphub up` says once the hub is ready: where it is, who may come in, and what to do next."""

import json
import os
import shutil
import sys
import threading
from pathlib import Path

import click

from mcphub.first_run import ADMIN, FirstRun, mcp_json
from mcphub.settings import Settings


def greet(settings: Settings, first: FirstRun, *, as_json: bool, browser: bool) -> None:
    """Prints it. The key goes to a terminal only, so that it lands in no log of a supervisor."""
    terminal = sys.stdout.isatty()
    if as_json:
        facts = {"url": settings.public_url, "setupLink": first.setup_link or None, "firstKey": first.key_file or None}
        click.echo(json.dumps({"ready": True, **facts}))
    else:
        shown = mcp_json(settings.public_url, first.demo_key) if first.demo_key and terminal else ""
        click.echo("\n".join(_lines(settings, first, shown)))
    sys.stdout.flush()
    if browser and terminal and has_display():
        # A thread: some browsers keep their starter waiting.
        threading.Thread(target=_browse, args=(first.setup_link or settings.public_url,), daemon=True).start()


def _lines(settings: Settings, first: FirstRun, shown: str) -> list[str]:
    lines = ["", f"MCPHub is ready at {settings.public_url}", ""]
    if first.setup_link:
        lines += ["  Make the first administrator (this link works once, for 15 minutes):", f"  {first.setup_link}", ""]
    elif first.admin_made:
        lines += [f"  The administrator `{ADMIN}` was made; the password is the one in MCPHUB_ADMIN_PASSWORD.", ""]
    if shown:
        lines += ["  For your IDE, with a key for the demo server only. It is shown this once:", "", shown, ""]
    if first.key_file:
        lines += [f"  For your IDE: {first.key_file} holds an mcp.json with a key for the demo server only.", ""]
    if first.demo_key:
        lines += [f"  In Cursor that is ~/.cursor/mcp.json. The demo goes with: {program()} demo remove", ""]
    lines += [f"  Data: {settings.home}   Help: {program()} --help   End: Ctrl-C", ""]
    return lines


def _browse(page: str) -> None:
    import webbrowser

    webbrowser.open(page)


def program() -> str:
    """How the command line is called here: by its name when that is enough."""
    own = Path(sys.argv[0])
    found = shutil.which(own.name)
    return own.name if found and Path(found).resolve() == own.resolve() else str(own)


def has_display() -> bool:
    """Is there a screen a browser could open on?"""
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
