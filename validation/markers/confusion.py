"""Every disagreement of the channel parser with labelled names, and who is right.

    python validation/markers/confusion.py                    # the tables beside this file, and figures on stdout
    python validation/markers/confusion.py --out DIR

Reads the labelled names of the reference data (``IMMPORT_CYTO_SHARED``, default ``../shared``) and writes
``disagreements.tsv``: source, $PnN, $PnS, what the label says, what the parser says, who is right, why. Who is right
is decided in ``verdicts.tsv``, by hand, once per label; a disagreement without a verdict is listed as ``open``, and the
exit code is 1.
"""

import argparse
import csv
import os
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from immport_cyto.panel import ChannelReading, immport_name, parse_channel
from immport_cyto.panel._text import key
from immport_cyto.panel.comparison import difference

HERE = Path(__file__).parent
SHARED = Path(os.environ.get("IMMPORT_CYTO_SHARED", HERE.parent.parent.parent / "shared"))
NAMED = frozenset({"marker", "dump"})
# UniProt entry names and older symbols that the sources use for a gene
SYMBOLS = {"ITAX": "ITGAX", "FCG3A": "FCGR3A", "CD20": "MS4A1", "IL17": "IL17A", "GZMB": "GZMB", "FCGR2": "FCGR2A"}


@dataclass(frozen=True)
class Case:
    """One label against one reading."""

    source: str
    pnn: str
    pns: str
    label: str
    reading: str
    agrees: bool
    unknown: bool = False


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a tab-separated table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def shown(reading: ChannelReading) -> str:
    """A reading in one cell."""
    return f"{reading.role} {'; '.join(reading.antigens)}".strip()


def hard_cases(markers: Path) -> Iterator[Case]:
    """Hard strings labelled by hand: kind and genes."""
    for row in table(markers / "hard_cases.tsv"):
        pnn, pns = (row["raw"], "") if row["field"] == "PnN" else (row["example_pnn"], row["raw"])
        reading = parse_channel("" if pnn == "n/a" else pnn, pns)
        genes = {re.sub(r"\s*\(.*\)", "", g).strip() for g in row["genes"].split(";") if g.strip()}
        good = reading.role == row["kind"] and set(reading.genes) == genes
        label = f"{row['kind']} {row['markers']}".strip()
        yield Case("hard cases", pnn, pns, label, shown(reading), good, reading.role == "unknown")


def given_names(markers: Path) -> Iterator[Case]:
    """Real names where the source itself states the marker."""
    for row in table(markers / "raw_channel_names.tsv"):
        pnn, pns, given = row["raw_pnn"], row["raw_pns"], row["given_marker"]
        if not given or not pns.strip() or key(pns) == key(pnn):
            continue
        reading, stated = parse_channel(pnn, pns), parse_channel("", given)
        same = (stated.role, stated.antigens) == (reading.role, reading.antigens) and stated.role != "unknown"
        good = SYMBOLS.get(given, given) in reading.genes or same
        yield Case("given names", pnn, pns, given, shown(reading), good, reading.role == "unknown")


def immport_pairs(markers: Path) -> Iterator[Case]:
    """ImmPort's curation of labels of many studies."""
    for row in table(markers / "production_pns_pairs.tsv"):
        pns, preferred = row["pns_reported"], row["pns_preferred"]
        reading = parse_channel("", pns)
        good = not difference(reading, pns, preferred) and (preferred != pns or reading.role not in NAMED)
        good = good and (preferred == pns or reading.role in NAMED or preferred == "SSC")
        yield Case("production pairs", "", pns, preferred, shown(reading), good, reading.role == "unknown")


def packages(folder: Path) -> Iterator[Case]:
    """ImmPort's preferred names in the headers of shared packages."""
    seen: set[tuple[str, str, str]] = set()
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("fcs_header_marker.txt"):
                    lines = archive.read(name).decode("utf-8", errors="replace").splitlines()
                    yield from _header(lines, path.stem.removesuffix("_Tab"), seen)


def _header(lines: list[str], study: str, seen: set[tuple[str, str, str]]) -> Iterator[Case]:
    header = [name.upper() for name in lines[0].split("\t")]
    places = [header.index(name) for name in ("PNN_REPORTED", "PNS_REPORTED", "PNS_PREFERRED")]
    for line in lines[1:]:
        cells = line.split("\t")
        if len(cells) <= max(places):
            continue
        pnn, pns, preferred = (cells[place] for place in places)
        if not pns.strip() or not preferred or (pns, preferred, "") in seen:
            continue
        seen.add((pns, preferred, ""))
        reading = parse_channel(pnn, pns)
        good = not difference(reading, pns, preferred)
        yield Case(f"package {study}", pnn, pns, preferred, shown(reading), good, reading.role == "unknown")


def compatible(markers: Path) -> tuple[int, int]:
    """Exact names of ImmPort's worked examples in ``--naming immport``, and their number."""
    rows = [row for row in table(markers / "pnn_pns_examples.tsv") if row["pnn_reported"] != "pnn_reported"]
    exact = sum(
        (immport_name(row["pnn_reported"]), immport_name(row["pns_reported"]))
        == (row["pnn_preferred"], row["pns_preferred"])
        for row in rows
    )
    return exact, len(rows)


def main() -> int:
    """Write the table and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: beside this file)")
    out = parser.parse_args().out
    markers = SHARED / "data" / "markers"
    if not markers.is_dir():
        print(f"{markers} is not there; set IMMPORT_CYTO_SHARED", file=sys.stderr)
        return 1
    tab = SHARED / "data" / "immport" / "tab"
    cases = [*hard_cases(markers), *given_names(markers), *immport_pairs(markers), *packages(tab)]
    verdicts = {(row["label"], key(row["pns"])): (row["right"], row["why"]) for row in table(HERE / "verdicts.tsv")}
    lines: dict[tuple[str, ...], int] = {}
    open_cases = 0
    for case in cases:
        if case.agrees:
            continue
        right, why = verdicts.get((case.label, key(case.pns)), ("open", ""))
        open_cases += right == "open"
        line = (case.source, case.pnn, case.pns, case.label, case.reading, right, why)
        lines[line] = lines.get(line, 0) + 1
    header = ("source", "pnn", "pns", "label", "parser", "right", "why", "rows")
    rows = ["\t".join(header), *("\t".join([*line, str(n)]) for line, n in sorted(lines.items()))]
    (out / "disagreements.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for source in dict.fromkeys(case.source.split()[0] for case in cases):
        of_source = [case for case in cases if case.source.split()[0] == source]
        agree, unknown = sum(c.agrees for c in of_source), sum(c.unknown for c in of_source)
        print(f"{source}: {agree} of {len(of_source)} agree, {unknown} unknown")
    print("who is right:", dict(Counter(line[5] for line in lines)))
    exact, number = compatible(markers)
    print(f"--naming immport: {exact} of {number} exact ({100 * exact / number:.1f} %)")
    return int(open_cases > 0)


if __name__ == "__main__":
    sys.exit(main())
