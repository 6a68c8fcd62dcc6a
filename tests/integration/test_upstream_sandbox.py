"""What a server's process can reach of the hub: tried from inside the real launcher."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mcphub.gateway.upstream import sandbox

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's hub has accounts to give")
needs_landlock = pytest.mark.skipif(not sandbox.landlock_abi(), reason="this kernel has no Landlock")

PROBE = """
import json, os, resource, signal, socket, sys
own, hub, beside = sys.argv[1:4]

def tried(work):
    try:
        work()
        return "done"
    except OSError as error:
        return type(error).__name__

def read(path):
    with open(path) as file: file.read()

def write(path):
    with open(path, "w") as file: file.write("x")

def connect():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one: one.connect(("127.0.0.1", int(sys.argv[4])))

status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "read_hub": tried(lambda: read(hub + "/master.key")),
    "list_hub": tried(lambda: os.listdir(hub)),
    "write_hub": tried(lambda: write(hub + "/new")),
    "other_user": tried(lambda: read(hub + "/children/server/bob/token")),
    "read_own": tried(lambda: read(own + "/file")),
    "write_own": tried(lambda: write(own + "/new")),
    "read_beside": tried(lambda: read(beside + "/file")),
    "write_beside": tried(lambda: write(beside + "/new")),
    "environ_of_hub": tried(lambda: read("/proc/%d/environ" % os.getppid())),
    "memory_of_hub": tried(lambda: open("/proc/%d/mem" % os.getppid(), "rb").read(1)),
    "signal_to_hub": tried(lambda: os.kill(os.getppid(), 0)),
    "tcp": tried(connect),
    "dev_null": tried(lambda: write("/dev/null")),
    "resolver": tried(lambda: read("/etc/hosts")),
    "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1],
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    "file_size": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "capabilities": status["CapEff"].strip(),
    "umask": status["Umask"].strip(),
}))
"""


class Hub:
    """A hub's home with something to steal, and a directory that is none of its business."""

    def __init__(self, home: Path, beside: Path) -> None:
        self.home = home
        self.beside = beside
        self.own = home / "children/server/ann"
        bob = home / "children/server/bob"
        for folder in (self.own, bob):
            folder.mkdir(parents=True)
        (home / "master.key").write_text("canary")
        (bob / "token").write_text("canary")
        (self.own / "file").write_text("x")
        (beside / "file").write_text("x")

    def run(
        self, mode: str, *command: str, parent: int | None = None, named: Sequence[str] = (), **more: Any
    ) -> "subprocess.CompletedProcess[str]":
        options = {"parent": parent or os.getpid(), "mode": mode, "own": [str(self.own)], "protect": [str(self.home)]}
        options["named"] = list(named)
        launcher = [sys.executable, "-I", "-S", str(sandbox.__file__), json.dumps(options)]
        return subprocess.run([*launcher, *command], capture_output=True, text=True, timeout=30, check=False, **more)

    def probe(self, mode: str, port: int, **more: Any) -> dict[str, Any]:
        arguments = [str(self.own), str(self.home), str(self.beside), str(port)]
        done = self.run(mode, sys.executable, "-c", PROBE, *arguments, **more)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def hub(home: Path, tmp_path: Path) -> Hub:
    return Hub(home, tmp_path)


@pytest.fixture
def port() -> Any:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@needs_landlock
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_a_process_cannot_open_the_hubs_files_or_another_users(hub: Hub, port: int, mode: str) -> None:
    found = hub.probe(mode, port)

    assert found["read_hub"] == found["list_hub"] == found["write_hub"] == found["other_user"] == "PermissionError"
    assert found["read_own"] == found["write_own"] == "done"


@needs_landlock
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_a_process_cannot_look_into_the_hub_or_signal_it(hub: Hub, port: int, mode: str) -> None:
    found = hub.probe(mode, port)

    assert found["environ_of_hub"] == found["memory_of_hub"] == "PermissionError"
    if sandbox.landlock_abi() >= 6:
        assert found["signal_to_hub"] == "PermissionError"


@needs_landlock
def test_a_legitimate_server_finds_everything_else_as_it_is(hub: Hub, port: int) -> None:
    found = hub.probe("auto", port)

    assert found["read_beside"] == found["write_beside"] == "done"
    assert found["tcp"] == found["dev_null"] == found["resolver"] == "done"


@needs_landlock
def test_strict_leaves_only_what_a_program_needs_and_its_own_directory(hub: Hub, port: int) -> None:
    found = hub.probe("strict", port)

    assert found["read_beside"] == found["write_beside"] == "PermissionError"
    assert found["tcp"] == found["dev_null"] == found["resolver"] == "done"


@needs_landlock
def test_strict_lets_a_process_read_what_its_configuration_names(hub: Hub, port: int) -> None:
    arguments = [str(hub.own), str(hub.home), str(hub.beside), str(port)]

    found = json.loads(hub.run("strict", sys.executable, "-c", PROBE, *arguments, named=[str(hub.beside)]).stdout)

    assert (found["read_beside"], found["write_beside"]) == ("done", "PermissionError")


@pytest.mark.parametrize("mode", ["limits", "auto"])
def test_a_process_has_limits_and_gains_no_rights(hub: Hub, port: int, mode: str) -> None:
    found = hub.probe(mode, port)

    assert (found["core"], found["files"], found["file_size"]) == (0, sandbox.OPEN_FILES, sandbox.MOST_FILE)
    assert found["umask"] == "0077"
    assert found["no_new_privileges"] == "1"
    kept = sum(1 << number for number in sandbox.KEPT_CAPABILITIES)
    assert int(found["capabilities"], 16) & ~kept == 0


def test_a_process_has_nothing_open_but_its_pipes(hub: Hub, port: int) -> None:
    secret = os.open(hub.home / "master.key", os.O_RDONLY)

    found = hub.probe("auto", port, pass_fds=[secret])

    os.close(secret)
    assert found["open"] == [0, 1, 2]


def test_without_landlock_auto_starts_all_the_same_and_strict_does_not(hub: Hub, tmp_path: Path) -> None:
    """An older kernel, as the launcher sees it."""
    old = tmp_path / "sandbox.py"
    old.write_text(Path(str(sandbox.__file__)).read_text().replace("CREATE_RULESET, None, 0, 1)", "-1, None, 0, 1)"))
    program = [sys.executable, "-I", "-S", str(old)]

    def started(mode: str) -> "subprocess.CompletedProcess[str]":
        options = {"parent": os.getpid(), "mode": mode, "own": [str(hub.own)], "protect": [str(hub.home)]}
        command = [*program, json.dumps(options), "/bin/echo", "started"]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert started("auto").stdout == "started\n"
    refused = started("strict")
    assert (refused.returncode, refused.stdout) == (sandbox.NO_SANDBOX, "")
    assert "no Landlock" in refused.stderr


def test_a_process_whose_hub_is_gone_before_it_begins_does_not_begin(hub: Hub) -> None:
    done = hub.run("auto", "/bin/echo", "started", parent=1 if os.getppid() != 1 else 2)

    assert (done.returncode, done.stdout) == (1, "")


def test_a_program_that_cannot_run_is_named(hub: Hub) -> None:
    done = hub.run("auto", str(hub.own / "file"))

    assert done.returncode == 126
    assert "cannot be run: Permission denied" in done.stderr


def test_arguments_and_environment_arrive_as_they_were(hub: Hub) -> None:
    show = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['X']]))"

    done = hub.run("auto", sys.executable, "-c", show, "a b", "--", "$HOME", "", env={**os.environ, "X": "ä\n"})

    assert json.loads(done.stdout) == [["a b", "--", "$HOME", ""], "ä\n"]


def test_a_process_dies_with_the_hub_even_when_it_ignores_every_signal_it_can(hub: Hub, tmp_path: Path) -> None:
    deaf = "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(600)"
    options = {"mode": "auto", "own": [str(hub.own)], "protect": [str(hub.home)]}
    parent = f"""
import json, os, subprocess, sys
options = dict({options!r}, parent=os.getpid())
command = [sys.executable, "-I", "-S", {str(sandbox.__file__)!r}, json.dumps(options), sys.executable, "-c", {deaf!r}]
subprocess.Popen(command).wait()
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline().strip().isdigit()
        running.send_signal(signal.SIGKILL)
        running.wait(10)

        assert running.stdout.read() == b""  # the child held it open


# below a hub of root

# Anybody can run it; the tests' own may lie in a private directory.
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
ACCOUNT = 0x7000_0000 + 4711
SHOW = "import json, os; print(json.dumps([os.getresuid(), os.getresgid(), os.getgroups(), os.environ.get('USER')]))"


def told(hub: Hub, mode: str = "auto", *command: str, **options: Any) -> "tuple[dict[str, Any], str]":
    """What the launcher says it did, and what the program printed; the home is passable as that of root's hub."""
    for place in (hub.home, hub.home / "children", hub.home / "children/server"):
        place.chmod(0o711)
    reader, writer = os.pipe()
    every = {"parent": os.getpid(), "mode": mode, "own": [str(hub.own)], "protect": [str(hub.home)], "report": writer}
    launcher = [sys.executable, "-I", "-S", str(sandbox.__file__), json.dumps({**every, **options})]
    program = command or (PYTHON, "-c", SHOW)
    done = subprocess.run(
        [*launcher, *program], pass_fds=[writer], capture_output=True, text=True, timeout=30, check=False
    )
    os.close(writer)
    with os.fdopen(reader) as file:
        report = json.loads(file.read())
    assert done.returncode == 0, done.stderr
    return report, done.stdout


@needs_root
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_a_process_has_the_account_it_is_given_and_no_other(hub: Hub, mode: str) -> None:
    report, said = told(hub, mode, account=ACCOUNT)

    assert "account" in report["layers"]
    assert json.loads(said) == [[ACCOUNT] * 3, [ACCOUNT] * 3, [], "mcphub"]


@needs_root
@pytest.mark.parametrize("mode", ["limits", "landlock"])
def test_where_the_operator_wants_no_accounts_there_are_none(hub: Hub, mode: str) -> None:
    report, said = told(hub, mode, PYTHON, "-c", "import os; print(os.getuid())", account=ACCOUNT)

    assert (report["missing"]["account"], said) == (f"MCPHUB_STDIO_SANDBOX is {mode}", "0\n")


@needs_root
def test_a_program_that_an_account_cannot_run_stays_roots_and_the_reason_is_told(hub: Hub, tmp_path: Path) -> None:
    closed = hub.beside / "closed"
    closed.mkdir(mode=0o700)
    tool = shutil.copy("/bin/true", closed / "tool")
    script = hub.own / "script"
    script.write_text(f"#!{tool}\n")
    script.chmod(0o755)

    by_itself, _ = told(hub, "auto", str(tool), account=ACCOUNT)
    by_its_interpreter, _ = told(hub, "auto", str(script), account=ACCOUNT)

    for report in (by_itself, by_its_interpreter):
        assert "account" not in report["layers"]
        assert report["missing"]["account"].startswith(f"{tool} is needed, and ")
        assert report["missing"]["no-capabilities"].startswith("it runs as root")


@needs_root
def test_a_directory_that_the_configuration_names_must_be_writable_unless_strict(hub: Hub, make_home: Any) -> None:
    data = make_home()
    data.chmod(0o755)

    ordinary, _ = told(hub, "auto", account=ACCOUNT, named=[str(data)])
    strict, _ = told(hub, "strict", account=ACCOUNT, named=[str(data)])

    assert ordinary["missing"]["account"] == f"{data} is needed, and {data} is closed to other accounts than root"
    assert "account" in strict["layers"]


@needs_root
@needs_landlock
def test_without_an_account_roots_process_writes_only_where_a_server_has_to(hub: Hub, make_home: Any) -> None:
    named = make_home()
    tries = """
import sys
for path in sys.argv[1:]:
    try:
        open(path, "a").close()
        print("done")
    except OSError as error:
        print(type(error).__name__)
"""
    closed = [
        "/etc/mcphub-new",
        "/usr/bin/mcphub-new",
        "/srv/mcphub-new",
        "/proc/sys/kernel/core_pattern",
        "/dev/kmsg",
    ]
    open_ = [str(hub.own / "new"), "/dev/null", "/var/tmp/mcphub-new", str(named / "new")]

    _, said = told(hub, "auto", PYTHON, "-c", tries, *closed, *open_, named=[str(named)])

    Path("/var/tmp/mcphub-new").unlink()
    assert said.split() == ["PermissionError"] * len(closed) + ["done"] * len(open_)


@needs_root
def test_what_an_earlier_process_made_as_root_is_handed_over_and_no_link_is_followed(hub: Hub, make_home: Any) -> None:
    target = make_home()
    (target / "file").write_text("x")
    (hub.own / "link").symlink_to(target)
    (hub.own / "cache").mkdir(mode=0o700)
    (hub.own / "cache/file").write_text("x")

    told(hub, "auto", account=ACCOUNT)

    owners = [os.lstat(path).st_uid for path in (hub.own, hub.own / "link", hub.own / "cache", hub.own / "cache/file")]
    assert owners == [ACCOUNT] * 4
    assert [os.lstat(path).st_uid for path in (target, target / "file")] == [0, 0]


@needs_root
def test_a_link_that_the_account_put_in_place_of_its_directory_hands_nothing_over(make_home: Any) -> None:
    target, link = make_home(), make_home() / "session-s1"
    (target / "tmp").mkdir()
    link.symlink_to(target)
    os.lchown(link, ACCOUNT, ACCOUNT)

    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        sandbox.hand_over([str(link)], ACCOUNT)

    assert (target / "tmp").stat().st_uid == 0


@needs_root
def test_ending_an_account_ends_what_left_its_group_and_hides_its_environment(hub: Hub) -> None:
    leaves = "import os\nif os.fork(): os._exit(0)\nos.setsid()\nfor n in (0, 1, 2): os.close(n)\n"
    leaves += "os.execve('/bin/sleep', ['sleep', '600'], {})"
    told(hub, "auto", PYTHON, "-c", leaves, account=ACCOUNT + 1)

    def alive() -> bool:
        return any(
            f"Uid:\t{ACCOUNT + 1}\t" in text
            for text in (_read(path) for path in Path("/proc").glob("[0-9]*/status"))
            if "State:\tZ" not in text
        )

    before = alive()
    command = [sys.executable, "-I", "-S", str(sandbox.__file__), json.dumps({"end": ACCOUNT + 1})]
    subprocess.run(command, check=True, timeout=30)

    assert before
    assert not alive()


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("word", "paths"),
    [
        ("/etc", ["/etc"]),
        ("--root=/etc", ["/etc"]),
        ("A=/etc,/usr", ["/etc", "/usr"]),
        ("/etc:/nowhere-at-all", ["/etc"]),
        ("etc", []),
        ("https://example.org/etc", []),
        ("/etc\0", []),
    ],
)
def test_paths_are_found_in_what_a_configuration_says(word: str, paths: list[str]) -> None:
    assert sandbox.paths_in([word]) == paths
