"""Homes whose embedded database an earlier major version of PostgreSQL made, as earlier hubs left them."""

import subprocess
from pathlib import Path

from mcphub.postgres.embedded import EXTENSIONS, ROLES_AND_DATABASE, EmbeddedPostgres
from mcphub.postgres.home import HomeLock
from mcphub.postgres.programs import Programs

CONFIGURATION = "listen_addresses = ''\npassword_encryption = 'scram-sha-256'\nfsync = off\n"


class OlderCluster:
    """A cluster of that version in a home, with the hub's roles and an empty database.

    Args:
        programs: where those of the version are; by default where an upgrade looks for them.
    """

    def __init__(self, home: Path, major: int, programs: Path | None = None) -> None:
        self.home = home
        self.data = home / "pg" / str(major)
        HomeLock.take(home).release()  # makes it private, and passable for the service user
        self.programs = Programs.of_major(home, major, programs)
        self.server = EmbeddedPostgres(home, data=self.data, programs=self.programs)

    def make(self) -> None:
        passwords = self.server._read_passwords()
        self.data.parent.mkdir(mode=0o711)
        self.data.mkdir(mode=0o700)
        self.programs.own(self.data)
        with self.programs.reach(self.data) as (data, held):
            said = self.programs.run(
                "initdb", "-D", data, "-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust",
                "--no-sync", inherit=held,
            )  # fmt: skip
            assert said.returncode == 0, said.stdout
            alter = f"alter role postgres password '{passwords['postgres']}'\n"
            for database, script in (
                ("postgres", alter + ROLES_AND_DATABASE.format(**passwords).lstrip()),
                ("mcphub", self._extensions()),
            ):
                done: subprocess.CompletedProcess[str] = self.programs.run(
                    "postgres", "--single", "-D", data, "-c", "exit_on_error=on", "-c", "fsync=off", database,
                    input=script, inherit=held,
                )  # fmt: skip
                assert done.returncode == 0, done.stdout
        (self.data / "pg_hba.conf").write_text("local all all scram-sha-256\n")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)

    def _extensions(self) -> str:
        """Debian's server has the extension in a package of its own."""
        share = self.programs.folder.parent / "share"
        known = (
            any(share.glob("**/vector.control"))
            or Path(f"/usr/share/postgresql/{self.data.name}/extension/vector.control").exists()
        )
        return EXTENSIONS if known else "select 1\n"
