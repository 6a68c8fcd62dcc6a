"""The example documents, and a vault stand-in whose sealed texts a test can read."""

from itertools import count
from pathlib import Path

from mcphub.domain.actor import acting, system
from mcphub.domain.codec import decode
from mcphub.domain.findings import Policy
from mcphub.domain.hub import Hub
from mcphub.domain.literal_secrets import seal_secrets
from mcphub.domain.servers import ApplySettings, SettingsState
from mcphub.domain.settings_check import check
from mcphub.domain.settings_file import Positions, parse

EXAMPLES = Path(__file__).parents[1] / "fixtures" / "settings"
POLICY = Policy()


def example(name):
    return (EXAMPLES / f"settings-{name}.json").read_text()


def found(findings):
    """Findings as (pointer, code)."""
    return [(finding.pointer, finding.code) for finding in findings]


def checked(document, policy=POLICY):
    report = check(document, policy)
    return found(report.errors), found(report.warnings)


def errors_of(config, policy=POLICY):
    """(pointer inside the entry, code) of a server's errors."""
    errors, _ = checked({"mcpServers": {"a": config}}, policy)
    return [(pointer.removeprefix("/mcpServers/a"), code) for pointer, code in errors]


def warnings_of(config, policy=POLICY):
    _, warnings = checked({"mcpServers": {"a": config}}, policy)
    return [(pointer.removeprefix("/mcpServers/a"), code) for pointer, code in warnings]


class Sealer:
    """Seals by reversing, and counts."""

    def __init__(self):
        self.sealed = []

    def seal(self, pointer, plaintext):
        self.sealed.append(pointer)
        return f"v1.{len(self.sealed)}.{plaintext[::-1]}"

    def open(self, pointer, sealed):
        return sealed.split(".", 2)[2][::-1]

    def same(self, pointer, plaintext, sealed):
        return self.open(pointer, sealed) == plaintext


class Settings:
    """A hub whose settings are saved as the API saves them: parsed, checked, sealed, applied.

    In memory unless another one is handed in.
    """

    def __init__(self, hub=None):
        self.hub = hub or Hub()
        self.sealer = Sealer()
        self._ids = count(1)

    @property
    def state(self):
        state = SettingsState()
        for recorded in self.hub.recorder.read():
            state.apply(decode(recorded.event.data), recorded.position)
        return state

    def new_id(self):
        return f"s{next(self._ids)}"

    def save(self, text, *, if_match=None):
        document = parse(text)
        check(document, POLICY, Positions(text)).refuse()
        wanted = seal_secrets(document, self.state.document(), self.sealer.seal, self.sealer.same)
        return self.run(lambda: ApplySettings(wanted, "digest", self.new_id), if_match=if_match)

    def run(self, build, *, if_match=None):
        with acting(system("test")):
            return self.hub.execute(build, if_match=if_match)
