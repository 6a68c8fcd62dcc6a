"""Which parameters of a test are in the short form of `./hub test`, the one that CI runs."""

from collections.abc import Iterable
from typing import Any

import pytest


def in_short_form(values: Iterable[Any], most: int) -> list[Any]:
    """Parameters of a test: the first `most` are in every run, the others are marked `thorough`."""
    params = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*each, marks=[pytest.mark.thorough] * (place >= most)) for place, each in enumerate(params)]
