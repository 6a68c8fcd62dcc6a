"""What a run has to show, one line each, and whether all of it held."""


class Bars:
    """Told of each by a call; `end` ends the program with 1 when one did not hold."""

    def __init__(self) -> None:
        self._held = True

    def __call__(self, holds: bool, what: str) -> None:
        print(f"{'ok    ' if holds else 'NOT OK'} {what}", flush=True)
        self._held = self._held and holds

    def end(self) -> None:
        """
        Raises:
            SystemExit: one did not hold.
        """
        if not self._held:
            raise SystemExit(1)
