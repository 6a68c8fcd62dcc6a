"""Local accounts: names and passwords checked and sealed, ready for a command. Blocking where the vault is asked."""

import re
import unicodedata
from collections.abc import Callable

from mcphub.domain.errors import BadUsername, Unprintable
from mcphub.domain.ids import new_id
from mcphub.domain.users import RegisterUser, SetUpAdmin
from mcphub.domain.vault import Vault
from mcphub.projections.directory import DISPLAY_NAME, EMAIL, USERNAME

NAME = re.compile(r"[\w.@-]{1,64}")
PASSWORD = "password"  # noqa: S105  the purpose of a data key


def username_of(text: str) -> str:
    """The name as it is kept: NFC, without blanks around.

    Raises:
        BadUsername: not 1 to 64 letters, digits and . _ - @.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not NAME.fullmatch(name):
        raise BadUsername
    return name


def name_digest(vault: Vault) -> Callable[[str], str]:
    """The keyed digest by which names are compared; the access model takes it, too."""

    def digest(name: str) -> str:
        return vault.tag("username", unicodedata.normalize("NFC", name).strip())

    return digest


def seal_password(vault: Vault, user_id: str, hashed: str) -> tuple[str, str]:
    """(data key, sealed argon2id hash)."""
    return vault.seal_new(user_id, PASSWORD, (user_id,), hashed)


def open_password(vault: Vault, user_id: str, sealed: str) -> str:
    """
    Raises:
        Unopenable: the data key was destroyed.
    """
    return vault.open(sealed, PASSWORD, (user_id,))


class NewAccount:
    """The sealed parts of an account to be made; `discard` destroys them when the command was refused.

    Args:
        hashed: argon2id hash of the password; None for an account that is invited, or has no sign-in.
        user_id: '' for a fresh one.

    Raises:
        Unprintable: a name or an address that would not be shown as it is, in a list or on a terminal.
    """

    def __init__(
        self,
        vault: Vault,
        username: str,
        hashed: str | None,
        *,
        display_name: str = "",
        email: str = "",
        user_id: str = "",
    ) -> None:
        for what, text in (("displayed name", display_name), ("e-mail address", email)):
            if not text.isprintable():
                raise Unprintable(what)
        self.user_id = user_id or new_id()
        self._vault = vault
        self.digest = name_digest(vault)(username)
        self.username = vault.seal_personal(self.user_id, USERNAME, username)
        self.display_name = vault.seal_personal(self.user_id, DISPLAY_NAME, display_name)
        self.email = vault.seal_personal(self.user_id, EMAIL, email)
        self.password = None if hashed is None else seal_password(vault, self.user_id, hashed)[1]

    def register(self, *, admin: bool = False) -> RegisterUser:
        return RegisterUser(
            self.user_id,
            self.digest,
            self.username,
            display_name=self.display_name,
            email=self.email,
            password=self.password,
            admin=admin,
        )

    def set_up(self, *, recover: bool = False) -> SetUpAdmin:
        return SetUpAdmin(self.user_id, self.digest, self.username, self.password or "", recover=recover)

    def discard(self) -> None:
        self._vault.destroy_owner(self.user_id)
