#!/usr/bin/env python3
"""Does what deploy/Dockerfile says, step by step, on a machine without a container engine. As root, on Linux.

    debootstrap --variant=minbase trixie /srv/debian
    deploy/rehearse.py hub --base /srv/debian --into /srv/stages --build-arg MCP_PACKAGES=mcp-server-time==2026.10.19
    deploy/rehearse.py hub --base /srv/debian --into /srv/stages --run --home /srv/home

Each stage becomes a folder of its own, made of the base or of the stage it comes from; every RUN is the root's own
shell in it, with processes and mounts of its own. `--run` starts the CMD as compose.yaml does: as the stage's user,
without any capability, on a file system that is read-only but for /tmp and the home.

The network is the machine's. Where it answers with certificates of its own, `--trust FILE` names them.

It knows the instructions and the forms that are used there, and refuses others; layers, caching and ONBUILD are none
of it. Source: the Dockerfile reference of BuildKit.
"""

import argparse
import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

CONTEXT = Path(__file__).resolve().parents[1]
DOCKERFILE = CONTEXT / "deploy/Dockerfile"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TRUSTED = "/run/trust.pem"
TRUSTING = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE", "npm_config_cafile")

# $1 is the root, $2 what is mounted beside, $3 the folder to work in. The rest is run in there.
ENTER = """
set -e; root=$1; where=$3
mount --make-rprivate /
eval "$2"
mount --rbind /dev "$root/dev"
shift 3
exec chroot "$root" /bin/sh -c 'cd "$0" && exec "$@"' "$where" "$@"
"""
# What a step leaves running ends with it. What is started to run is this very process, so that signals reach it.
STEP = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
START = ["unshare", "--mount"]


class Unknown(Exception):
    """The Dockerfile says something this does not know how to do."""


@dataclass
class Stage:
    """What a FROM begins.

    Args:
        base: another stage's name, or an image's.
        steps: (instruction, its words as they stand), in order.
    """

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Built:
    """A stage that was done: its folder and what a container of it starts with."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = "0:0"
    command: list[str] = field(default_factory=list)


def stages_of(text: str) -> dict[str, Stage]:
    """Name → stage, in the order they stand. What an ARG before the first FROM says is filled in.

    Raises:
        Unknown: an instruction that is not one of a stage's.
    """
    found: dict[str, Stage] = {}
    given: dict[str, str] = {}
    stage: Stage | None = None
    for word, rest in _instructions(text):
        if word == "FROM":
            base, _, name = (part.strip() for part in rest.partition(" AS "))
            stage = Stage(name or f"stage-{len(found)}", _filled(base, given))
            found[stage.name] = stage
        elif stage is not None:
            stage.steps.append((word, rest))
        elif word == "ARG":
            name, _, value = rest.partition("=")
            given[name] = value
        else:
            raise Unknown(f"{word} before the first FROM")
    return found


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def _filled(text: str, env: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda found: env.get(found[1], ""), text)


def needed(stages: dict[str, Stage], target: str) -> list[Stage]:
    """The target and the stages it is made of, each before those that need it."""
    order: list[Stage] = []

    def visit(name: str) -> None:
        stage = stages[name]
        sources = [stage.base, *re.findall(r"--from=(\S+)", " ".join(rest for _, rest in stage.steps))]
        for source in sources:
            if source in stages and stages[source] not in order:
                visit(source)
        order.append(stage)

    visit(target)
    return order


def ignored(path: str, patterns: list[str]) -> bool:
    """Is the path, relative to the context, kept out of it? The last pattern that fits it or a folder above decides."""
    verdict = False
    above = [path, *(parent.as_posix() for parent in Path(path).parents if parent.name)]
    for pattern in patterns:
        plain = pattern.lstrip("!").strip("/")
        forms = [plain, plain.removeprefix("**/")]
        if any(fnmatch.fnmatchcase(part, form) for part in above for form in forms):
            verdict = not pattern.startswith("!")
    return verdict


class Rehearsal:
    """Stages below one folder.

    Args:
        base: a root of the Debian that the Dockerfile begins with.
        into: where the stages' folders are made; those that are there are done.
        trust: certificates of the machine's own, for every step.
    """

    def __init__(self, base: Path, into: Path, *, arguments: dict[str, str] | None = None, trust: Path | None = None):
        self.stages = stages_of(DOCKERFILE.read_text())
        self.built: dict[str, Built] = {}
        self._base = base
        self._into = into
        self._arguments = arguments or {}
        self._trust = trust
        ignore = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
        self._ignore = [line for line in ignore if line and not line.startswith("#")]

    def build(self, target: str) -> Built:
        """
        Raises:
            Unknown: a form of an instruction that this does not know.
            subprocess.CalledProcessError: a RUN ended with something else than 0.
        """
        for stage in needed(self.stages, target):
            if stage.name not in self.built:
                self.built[stage.name] = self._stage(stage)
        return self.built[target]

    def _stage(self, stage: Stage) -> Built:
        before = self.built.get(stage.base)
        root = self._into / stage.name
        built = Built(root)
        if before is not None:
            built = Built(root, dict(before.env), before.folder, before.user, list(before.command))
        done = root.exists()
        if not done:
            partial = self._into / f"{stage.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            built.root = partial
            subprocess.run(["cp", "-a", before.root if before else self._base, partial], check=True)
        arguments: dict[str, str] = {}
        for word, rest in stage.steps:
            known = {**built.env, **arguments}
            match word:
                case "ARG":
                    name, _, value = rest.partition("=")
                    arguments[name] = self._arguments.get(name, value.strip('"'))
                case "ENV":
                    for part in shlex.split(rest):
                        name, _, value = part.partition("=")
                        built.env[name] = _filled(value, known)
                case "WORKDIR":
                    built.folder = os.path.join(built.folder, rest)
                    (built.root / built.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case "USER":
                    built.user = rest
                case "CMD":
                    built.command = json.loads(rest)
                case "COPY":
                    if not done:
                        self._copy(rest, built)
                case "RUN":
                    if not done:
                        print(f"{stage.name}: {rest[:100]}", flush=True)
                        env = {**arguments, **built.env}
                        subprocess.run(self.inside(built, ["/bin/sh", "-c", rest], env=env), check=True)
                case "EXPOSE" | "VOLUME" | "STOPSIGNAL":
                    pass  # said to an engine
                case _:
                    raise Unknown(f"{stage.name}: {word}")
        if not done:
            built.root.rename(root)
            built.root = root
        return built

    def _copy(self, rest: str, built: Built) -> None:
        words = rest.split()
        flags = dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))
        *sources, target = [word for word in words if not word.startswith("--")]
        if not flags.keys() <= {"from", "chmod"} or any("*" in source for source in sources):
            raise Unknown(f"COPY {rest}")
        place = built.root / os.path.join(built.folder, target).lstrip("/")
        into = target.endswith("/") or len(sources) > 1
        origin = self.built[flags["from"]].root if "from" in flags else CONTEXT
        for source in sources:
            path = source.lstrip("/")
            folder = (origin / path).is_dir()  # its content is what is copied
            self._copy_one(origin, path, place / Path(source).name if into and not folder else place)
        if "chmod" in flags:
            place.chmod(int(flags["chmod"], 8))

    def _copy_one(self, origin: Path, source: str, place: Path) -> None:
        """A folder's content into the folder, a file to the file; of the context only what is not ignored."""
        place.parent.mkdir(parents=True, exist_ok=True)
        if not (origin / source).is_dir():
            if origin == CONTEXT and ignored(source, self._ignore):
                raise Unknown(f"COPY {source}, which is ignored")
            shutil.copy2(origin / source, place)
            return

        def left_out(folder: str, names: list[str]) -> set[str]:
            inside = Path(folder).relative_to(origin)
            return {name for name in names if origin == CONTEXT and ignored(str(inside / name), self._ignore)}

        shutil.copytree(origin / source, place, symlinks=True, ignore=left_out, dirs_exist_ok=True)

    def inside(
        self,
        built: Built,
        command: list[str],
        *,
        env: dict[str, str],
        mounts: dict[str, Path] | None = None,
        contained: bool = False,
        network: bool = True,
    ) -> list[str]:
        """The command line that runs a command in a stage's root.

        Args:
            env: all the command sees, beside what makes it trust `trust`.
            mounts: path inside → file or folder of the machine.
            contained: as the stage's user without capabilities, on a read-only root; else as root.
            network: with names of hosts beyond this machine.
        """
        beside = dict(mounts or {})
        if network:
            beside["/etc/resolv.conf"] = Path("/etc/resolv.conf")
        if self._trust is not None:
            beside[TRUSTED] = self._trust
            env = {**dict.fromkeys(TRUSTING, TRUSTED), **env}
        script = ""
        for place, origin in beside.items():
            inside = built.root / place.lstrip("/")
            if origin.is_dir():
                inside.mkdir(parents=True, exist_ok=True)
            else:
                inside.touch()
            script += f'mount --bind {shlex.quote(str(origin))} "$root{place}"\n'
        if contained:
            # A mount of its own first: only a mount can be made read-only. What is mounted in it stays as it is.
            script = 'mount --bind "$root" "$root"\nmount -o remount,bind,ro "$root"\n' + script
            script += 'mount --rbind /proc "$root/proc"\n'
            script += 'mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"\n'
            user, _, group = built.user.partition(":")
            script += (
                f"chown {user} /proc/self/fd/1 /proc/self/fd/2\n"  # so that /dev/stdout can be opened; runc does it
            )
            dropped = ["--reuid", user, "--regid", group or user, "--clear-groups", "--no-new-privs"]
            command = ["setpriv", *dropped, "--bounding-set=-all", "--inh-caps=-all", *command]
        else:
            script += 'mount -t proc proc "$root/proc"\n'
        settings = [f"{name}={value}" for name, value in env.items()]
        shell = ["/bin/sh", "-c", ENTER, "enter", str(built.root), script, built.folder]
        return [*(START if contained else STEP), *shell, "env", "-i", *settings, *command]


def main() -> int:
    parser = argparse.ArgumentParser(description="deploy/Dockerfile without a container engine.")
    parser.add_argument("target", help="a stage: hub, web, dev")
    parser.add_argument("--base", type=Path, required=True, help="a root made by debootstrap")
    parser.add_argument("--into", type=Path, required=True, help="the folder for the stages")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--trust", type=Path, help="certificates in PEM")
    parser.add_argument("--run", action="store_true", help="start what the image starts")
    parser.add_argument("--home", type=Path, help="mounted at /var/lib/mcphub, for --run")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="for --run")
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    arguments = dict(pair.split("=", 1) for pair in given.build_arg)
    rehearsal = Rehearsal(given.base, given.into, arguments=arguments, trust=given.trust)
    try:
        built = rehearsal.build(given.target)
    except Unknown as what:
        print(f"rehearse: the Dockerfile says what this does not know: {what}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"rehearse: a step ended with {error.returncode}", file=sys.stderr)
        return 1
    if given.run:
        env = {**built.env, **dict(pair.split("=", 1) for pair in given.env)}
        mounts = {"/var/lib/mcphub": given.home} if given.home else {}
        line = rehearsal.inside(built, built.command, env=env, mounts=mounts, contained=True)
        os.execvp(line[0], line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
