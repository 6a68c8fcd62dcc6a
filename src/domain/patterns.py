"""Patterns that documents bring along, evaluated so that none of them can stall the hub."""

from functools import lru_cache
from typing import Any

import jsonschema_rs

MOST_PATTERN = 1000  # characters


def usable_pattern(pattern: str) -> bool:
    """Is this a pattern of at most 1,000 characters that the linear-time engine takes?"""
    if len(pattern) > MOST_PATTERN:
        return False
    try:
        _validator(pattern)
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True


def matches(pattern: str, value: str) -> bool:
    """Evaluated by Rust's regex engine, whose time is linear in the value whatever the pattern."""
    return bool(_validator(pattern).is_valid(value))


@lru_cache(256)
def _validator(pattern: str) -> Any:
    options = jsonschema_rs.RegexOptions()
    return jsonschema_rs.validator_for({"type": "string", "pattern": pattern}, pattern_options=options)
