"""What kind of thing a fact is about, by its type: what a timeline is narrowed and coloured by."""

from mcphub.domain.events import EVENT_TYPES

CATEGORIES = {
    "User": "users",
    "Admin": "users",
    "Auditor": "users",
    "Password": "sign-in",
    "Signed": "sign-in",
    "Key": "keys",
    "ServiceToken": "values",
    "Group": "groups",
    "Server": "servers",
    "SecretSlot": "servers",
    "Tool": "servers",
    "SystemConfig": "settings",
    "SettingsFile": "settings",
    "Day": "history",
    "Backup": "history",
    "MasterKey": "settings",
    "HubRestored": "history",
    "Env": "values",
    "HubVariable": "settings",
}


def category(type_: str) -> str:
    """The category of an event type; the longest prefix wins."""
    prefixes = [prefix for prefix in CATEGORIES if type_.startswith(prefix)]
    return CATEGORIES[max(prefixes, key=len)] if prefixes else "other"


CATEGORY_OF = {type_: category(type_) for type_ in EVENT_TYPES}
