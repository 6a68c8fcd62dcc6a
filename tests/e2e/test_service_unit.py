"""The unit for systemd: what it says is understood, what it leaves open is little, and servers are held as ever."""

import os
import pwd
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from mcphub.gateway.upstream import sandbox
from tests.support import under_unit
from tests.support.ide import Ide
from tests.support.owners import Owners, python_for
from tests.support.running import ROOT, RunningHub
from tests.support.upstreams import Upstreams

UNIT = ROOT / "deploy" / "mcphub.service"
MOST_EXPOSED = 1.5  # of 10, as `systemd-analyze security` counts
# One tool, which has to be compiled to be quick.
NODE_SERVER = """
const said = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
const sum = () => { let all = 0; for (let i = 0; i < 1e6; i++) all += i; return String(all); };
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (method === "initialize")
    said(id, {
      protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "n", version: "1" },
    });
  else if (method === "tools/list") said(id, { tools: [{ name: "sum", inputSchema: { type: "object" } }] });
  else if (method === "tools/call") said(id, { content: [{ type: "text", text: sum() }] });
  else if (id !== undefined) said(id, {});
});
"""
SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


@SYSTEMD
@pytest.mark.optional
def test_systemd_understands_every_line_of_the_unit_and_finds_little_open() -> None:
    verified = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, check=False)
    looked = ["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT]
    found = subprocess.run(looked, capture_output=True, text=True, check=False).stdout

    complaints = verified.stderr.splitlines()
    assert [line for line in complaints if "mcphub.service" in line and "is not executable" not in line] == []
    exposure = re.search(r"Overall exposure level for mcphub.service: ([\d.]+)", found)
    assert exposure is not None
    assert float(exposure[1]) <= MOST_EXPOSED


@SYSTEMD
@pytest.mark.optional
@pytest.mark.thorough
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take from a process what a unit takes")
async def test_under_the_unit_a_server_answers_and_is_held_by_every_layer_an_ordinary_hub_has(
    make_home: Callable[[], Path], tmp_path: Path, ordinary_user: pwd.struct_passwd, upstreams: Upstreams
) -> None:
    """Python's and Node's, because the one makes threads and processes and the other compiles while it runs."""
    home, place = make_home(), make_home()
    os.chown(home, ordinary_user.pw_uid, ordinary_user.pw_gid)
    place.chmod(0o755)
    for name, target in (("mcphub", "src"), ("migrations", "migrations")):
        (place / name).symlink_to(ROOT / target)
    env = {"PYTHONPATH": f"{place}:{sysconfig.get_path('purelib')}", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    python = python_for(Owners(make_home, ordinary_user, "", env))
    wrapped = ("unshare", "--mount", "--propagation", "private", sys.executable, under_unit.__file__)
    (place / "server.js").write_text(NODE_SERVER)
    hub = RunningHub(home, tmp_path, env=env)
    try:
        hub.start(*wrapped, str(UNIT), ordinary_user.pw_name, f"{home},{place}", python, "-m", "mcphub")
        servers = {"python": upstreams.stdio("python"), "node": {"command": "node", "args": [str(place / "server.js")]}}
        hub.admin.add_servers(servers)
        async with Ide(f"{hub.mcp}?mode=tools", hub.admin.user("ann").key()) as ide:
            names = await ide.tool_names()
            said = await ide.text("node__sum")
        states = {one["server"]: one for one in hub.admin.rest.get("/api/admin/upstream-status")}
    finally:
        hub.end()

    assert (said, "python__whoami" in names) == ("499999500000", True)
    abi = sandbox.landlock_abi()
    held = {"process", "limits", "no-new-privileges", "no-capabilities"}
    held |= {"landlock-files"} if abi else set()
    held |= {"landlock-signals"} if abi >= 6 else set()
    assert {name: set(states[name]["sandboxLayers"]) for name in servers} == dict.fromkeys(servers, held)
