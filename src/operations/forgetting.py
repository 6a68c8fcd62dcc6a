"""What was erased and cleared behind a backup, and is to stay so after a restore of it.

A backup holds the wrapped data keys of its day. Of what was destroyed later it knows nothing; checkpoints do, as far as
they go (domain/checkpoint.py). What they name is erased and cleared again by the same commands, on the record.
"""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from mcphub.domain.access import AccessModel
from mcphub.domain.checkpoint import Checkpoint
from mcphub.domain.errors import LastAdmin
from mcphub.domain.hub import Hub
from mcphub.domain.hub_variables import RemoveHubVariable
from mcphub.domain.tokens import SaveValues
from mcphub.domain.users import EraseUser, SetAdmin
from mcphub.domain.vault import Vault


class Known(Struct, frozen=True, kw_only=True):
    """What is known of the time behind a backup.

    Args:
        erased: users.
        cleared: data keys of values.
        upto: position up to which nothing is missing in it; that of the backup when nothing is known.
        at: when that was signed, in microseconds since 1970; 0 for nothing.
    """

    erased: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()
    upto: int
    at: int = 0


class Forgotten(Struct, frozen=True, kw_only=True):
    """What was there again and is gone now.

    Args:
        kept: the only administrator, whom somebody must replace first; what opened their data is destroyed.
    """

    users: tuple[str, ...]
    values: int
    kept: tuple[str, ...]


def known_behind(position: int, checkpoints: Sequence[Checkpoint]) -> Known:
    """What checkpoints say of the time behind a position.

    A gap ends what is known for sure, and not what is applied: it is better to forget what nobody is sure of.
    """
    erased: list[str] = []
    cleared: list[str] = []
    upto, at, sure = position, 0, True
    for one in sorted(checkpoints, key=lambda one: one.position):
        if one.position <= position:
            continue
        erased += one.erased
        cleared += one.cleared
        sure = sure and one.after <= upto
        if sure:
            upto, at = one.position, one.at
    return Known(erased=tuple(dict.fromkeys(erased)), cleared=tuple(dict.fromkeys(cleared)), upto=upto, at=at)


def forget_again(hub: Hub, vault: Vault, model: AccessModel, known: Known) -> Forgotten:
    """Erases and clears, as whoever acts; what is left to destroy is the erasure role's. Blocking.

    Args:
        model: as of the head.
    """
    users, kept = [], []
    for user_id in known.erased:
        user = model.users.get(user_id)
        if user is None or user.erased:
            continue
        try:
            if user.admin:
                hub.execute(partial(SetAdmin, user_id, False))
        except LastAdmin:
            vault.destroy_owner(user_id)
            kept.append(user_id)
            continue
        hub.execute(partial(EraseUser, user_id, by="", name_digest=user.name_digest))
        users.append(user_id)
    values = 0
    keys = set(known.cleared)
    for user_id, servers in list(model.credentials.items()):
        places = [
            (server, name)
            for server, stored in servers.items()
            for name, value in stored.items()
            if value.data_key in keys
        ]
        if places and user_id not in users:
            hub.execute(partial(SaveValues, user_id, [], places))
            values += len(places)
    for name, variable in list(model.hub_variables.stored.items()):
        if variable.data_key in keys:
            hub.execute(partial(RemoveHubVariable, name))
            values += 1
    return Forgotten(users=tuple(users), values=values, kept=tuple(kept))
