"""Progress that suits where it is shown: a bar on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_LINE_EVERY_SECONDS = 10.0


class Progress:
    """Count finished parts of one step.

    On a terminal one line is redrawn in place. Elsewhere a line is written at the start, every ten seconds and
    at the end, so that a log stays readable.
    """

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self.label, self.total, self.done = label, total, 0
        self.stream = stream if stream is not None else sys.stderr
        self._tty = self.stream.isatty()
        self._start = self._last = time.monotonic()
        if total and not self._tty:
            self._line(f"{label}: 0/{total}")

    def step(self, detail: str = "", parts: int = 1) -> None:
        """One part is done, or several; `detail` names it on a terminal."""
        self.done += parts
        now = time.monotonic()
        if self._tty:
            width = 24
            filled = width * self.done // max(self.total, 1)
            bar = "█" * filled + "·" * (width - filled)
            self.stream.write(f"\r\x1b[2K{self.label} {bar} {self.done}/{self.total} {detail[:40]}")
            self.stream.flush()
        elif now - self._last >= _LINE_EVERY_SECONDS and self.done < self.total:
            self._last = now
            self._line(f"{self.label}: {self.done}/{self.total}")

    def close(self, note: str = "") -> None:
        """The step is over."""
        text = f"{self.label}: {self.done}/{self.total} in {time.monotonic() - self._start:.1f} s"
        if note:
            text += f", {note}"
        if self._tty:
            self.stream.write("\r\x1b[2K")
        self._line(text)

    def _line(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()


@contextmanager
def progress(label: str, total: int, *, quiet: bool = False) -> Iterator[Progress | None]:
    """Show the progress of a block of `total` parts; with `quiet` give None and show nothing."""
    if quiet:
        yield None
        return
    shown = Progress(label, total)
    try:
        yield shown
    finally:
        shown.close()
