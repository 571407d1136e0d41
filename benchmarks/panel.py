"""Speed of the channel parser: 200,000 channels with repeats, distinct names, and the start of a fresh process.

    python benchmarks/panel.py
    python benchmarks/panel.py --channels 1000000

A study has few distinct names and many files, so most readings are repeats. The names are those of
``tests/panel/channel_names.tsv``. Times are CPU times; the start is the best of several fresh processes that import the
parser and read one channel, without the start of Python itself.
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
from immport_cyto.panel.parser import parse_channel
parse_channel("PE-A", "CD4 BV421")
print(time.process_time() - start)
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


def start_up(repeats: int) -> float:
    """Seconds of CPU time of the fastest fresh process."""
    found = [
        subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=True)
        for _ in range(repeats)
    ]
    return min(float(done.stdout) for done in found)


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
    start = start_up(options.processes)
    print(f"{len(pairs)} distinct names: {distinct:.2f} s, {1e6 * distinct / len(pairs):.0f} us each")
    print(f"{options.channels} channels with repeats: {repeats:.2f} s (limit {LIMITS['repeats']:g} s)")
    print(f"start of the parser: {1e3 * start:.0f} ms (aim {1e3 * LIMITS['start']:g} ms)")
    return int(repeats > LIMITS["repeats"])


if __name__ == "__main__":
    sys.exit(main())
