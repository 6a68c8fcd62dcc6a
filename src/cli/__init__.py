"""The command line. Each command imports what it needs when it runs, so that `--help` and a start lose no time.

Exit codes: 0 done; 1 it did not work, the line on stderr says why; 2 the environment or the usage does not allow it.
Passwords and keys are read from the terminal or standard input, never from an argument.
"""

import click

from mcphub.cli import (
    backup,
    history,
    keyring,
    keys,
    ledger,
    past,
    people,
    proof,
    rehearse,
    search,
    serving,
    support,
    tables,
    undo,
    upgrade,
    why,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mcphub", message="%(version)s")
def commands() -> None:
    """MCPHub: one address for all MCP servers of a company.

    Commands work on the hub of --home whether it runs or not, or on the database that DATABASE_URL names.
    """


for _command in (
    *(serving.up, serving.serve, serving.doctor, support.support_bundle),
    *(people.setup_link, people.user, keys.key, keys.demo),
    *(undo.undo, ledger.migrate, proof.verify, proof.checkpoint, ledger.rebuild, tables.projections),
    *(backup.backup, backup.restore, backup.move, ledger.export, ledger.import_, history.requests),
    *(search.search, search.glossary, search.aliases),
    *(keyring.keyring, upgrade.upgrade_database),
    *(past.state, past.diff, past.who_could, why.why, rehearse.rehearse),
):
    commands.add_command(_command)


def main() -> None:
    """The console script."""
    commands(prog_name="mcphub")
