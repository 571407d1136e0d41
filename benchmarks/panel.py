"""Speed of the channel parser: 200,000 channels with repeats, distinct names, and the start of a fresh process.

    python benchmarks/panel.py
    python benchmarks/panel.py --channels 1000000

A study has few distinct names and many files, so most readings are repeats. The names are those of
``tests/panel/channel_names.tsv``. Times are CPU times; the start is the best of several fresh processes that import the
parser and read one channel, after the modules of Python that it needs (re, dataclasses, typing, json).
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

NAMES = Path(__file__).parent.parent / "tests" / "panel" / "channel_names.tsv"
LIMITS = {"repeats": 10.0, "start": 0.020}
_START = """
import time
start = time.process_time()
import dataclasses, functools, json, pathlib, re, typing, unicodedata
ours = time.process_time()
from immport_cyto.panel.parser import parse_channel
parse_channel("PE-A", "CD4 BV421")
print(ours - start, time.process_time() - ours)
"""


def names() -> list[tuple[str, str]]:
    """Pairs of $PnN and $PnS."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()[1:]
    return [(cells[0], cells[1]) for cells in (line.split("\t") for line in lines)]


def read_all(pairs: list[tuple[str, str]]) -> float:
    """Seconds to read all pairs."""
    from immport_cyto.panel import parse_channel

    start = time.process_time()
    for pnn, pns in pairs:
        parse_channel(pnn, pns)
    return time.process_time() - start


def start_up(repeats: int) -> tuple[float, float]:
    """Seconds of CPU time of the fastest fresh process: modules of Python itself, and ours."""
    command = [sys.executable, "-c", _START]
    found = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(repeats)]
    python, ours = zip(*(map(float, line.split()) for line in found), strict=True)
    return min(python), min(ours)


def main() -> int:
    """Print the figures; 1 when the limit of repeats is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=200_000, help="channels to read (default: 200000)")
    parser.add_argument("--processes", type=int, default=5, help="fresh processes for the start (default: 5)")
    options = parser.parse_args()
    pairs = names()
    distinct = read_all(pairs)
    many = [pairs[n % len(pairs)] for n in range(options.channels)]
    repeats = read_all(many)
    python, start = start_up(options.processes)
    print(f"{len(pairs)} distinct names: {distinct:.2f} s, {1e6 * distinct / len(pairs):.0f} us each")
    print(f"{options.channels} channels with repeats: {repeats:.2f} s (limit {LIMITS['repeats']:g} s)")
    print(
        f"start of the parser: {1e3 * start:.0f} ms (aim {1e3 * LIMITS['start']:g} ms), "
        f"after {1e3 * python:.0f} ms for modules of Python itself"
    )
    return int(repeats > LIMITS["repeats"])


if __name__ == "__main__":
    sys.exit(main())
