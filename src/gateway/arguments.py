"""Arguments checked against a tool's own schema: JSON Schema, 2020-12 unless it says otherwise.

The check spares a wrong call and protects nobody: a schema that cannot be used checks nothing, and the server decides
for itself. No reference is ever fetched; what it would have said is not checked.

Run as a program it answers checks over a pipe, one line each; `gateway/checker.py` says when that is wanted.
"""

import json
import resource
import signal
import sys
from functools import lru_cache
from itertools import islice
from typing import Any

import jsonschema_rs

MOST_VIOLATIONS = 50
MOST_DETAIL = 300  # characters
MOST_MEMORY = 1 << 30  # bytes of the program's addresses
MOST_SECONDS = 2.0  # of one check in the program, also when nobody is left to end it

Violation = tuple[str, str]  # (JSON pointer into the arguments, '' for the whole; what is wrong)


def violations(schema: bytes, arguments: bytes) -> list[Violation] | None:
    """At most 50 of them; None when the schema, or one of the two texts, cannot be used."""
    validator = _validator(schema)
    if validator is None:
        return None
    try:
        found = list(islice(validator.iter_errors(json.loads(arguments)), MOST_VIOLATIONS))
    except (ValueError, RecursionError):
        return None
    return [(_pointer(error.instance_path), _cut(error.message)) for error in found]


@lru_cache(256)
def _validator(schema: bytes) -> Any:
    try:
        return jsonschema_rs.validator_for(json.loads(schema), retriever=_anything, validate_formats=False)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError):
        return None


def _anything(_: str) -> Any:
    """Stands for every schema that is somewhere else."""
    return {}


def _pointer(path: list[str | int]) -> str:
    return _cut("".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_DETAIL else text[:MOST_DETAIL] + "…"


def main() -> None:
    """Lines of `[schema, arguments]`, both as JSON texts, in; lines of violations, or `null`, out."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for line in sys.stdin.buffer:
        schema, arguments = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)  # the alarm nobody handles ends the process
        answer = violations(schema.encode(), arguments.encode())
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
