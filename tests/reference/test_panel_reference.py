"""The channel parser against real names: hard cases, ImmPort's own curation, names with a given truth, real studies.

The figures are printed (``pytest -rP``); the floors are what the parser reaches, rounded down.
"""

import csv
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from immport_cyto.panel import ChannelReading, harmonize, parse_channel, parse_gates
from immport_cyto.panel._text import key

pytestmark = pytest.mark.shared

# UniProt entry names and older symbols that the sources use for the gene
SYMBOLS = {"ITAX": "ITGAX", "FCG3A": "FCGR3A", "CD20": "MS4A1", "IL17": "IL17A", "GZMB": "GZMB", "FCGR2": "FCGR2A"}
# labels of the sources that are wrong, with what the stain says
SOURCE_ERRORS = {
    ("CD62L", "SELE"),  # E-selectin is CD62E
    ("CD14/CD3", "CD14"),  # a dump with one member kept
    ("Slan", "SECISBP2L"),  # a carbohydrate on PSGL-1
}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def split(cell: str) -> set[str]:
    """Gene symbols of a cell such as ``SELPLG (carbohydrate)``."""
    return {re.sub(r"\s*\(.*\)", "", part).strip() for part in cell.split(";") if part.strip()}


def read_case(row: dict[str, str]) -> ChannelReading:
    if row["field"] == "PnN":
        return parse_channel(row["raw"], "")
    return parse_channel("" if row["field"] == "n/a" else row["example_pnn"], row["raw"])


def test_hard_cases(shared_data: Path):
    rows = table(shared_data / "markers" / "hard_cases.tsv")
    right = wrong = genes_right = genes_asked = 0
    for row in rows:
        reading = read_case(row)
        genes = split(row["genes"])
        good = reading.role == row["kind"] and set(reading.genes) == genes
        right += good
        wrong += not good and reading.role != "unknown"
        genes_asked += bool(genes)
        genes_right += bool(genes) and set(reading.genes) == genes
        if not good:
            print("differs:", row["raw"], "|", row["kind"], row["genes"], "|", reading)
    print(f"hard cases: {right} of {len(rows)} right, {wrong} wrong; genes {genes_right} of {genes_asked}")
    assert right / len(rows) >= 0.99
    assert wrong / len(rows) <= 0.01
    assert genes_right == genes_asked


# what ImmPort's curation gets wrong or leaves, and what is right: role and antigens
CORRECTED = {
    "CD45_194": ("marker", ("CD45",)),
    "CD45_196": ("marker", ("CD45",)),
    "CD45_198": ("marker", ("CD45",)),
    "cd45ra": ("marker", ("CD45RA",)),
    "CD45RA": ("marker", ("CD45RA",)),
    "FIxable Blye": ("viability", ()),
    "Fix blye": ("viability", ()),
    "Fix BLue": ("viability", ()),
    "Fix blue": ("viability", ()),
    "Fix Red": ("viability", ()),
    "FixRed": ("viability", ()),
    "FIXABLE DEAD": ("viability", ()),
    "Dead": ("viability", ()),
    "Live dead": ("viability", ()),
    "7aad": ("viability", ()),
    "Dapi": ("viability", ()),
    "DAPI-A": ("detector", ()),
    "DEAD CD19": ("dump", ("CD19",)),
    "DUMP DEAD CD19": ("dump", ("CD19",)),
    "Cell Division Dye": ("proliferation", ()),
    "41BB": ("marker", ("CD137",)),
    "Bcl6": ("marker", ("Bcl-6",)),
    "Eomes": ("marker", ("Eomes",)),
    "FOXp3": ("marker", ("FoxP3",)),
    "HELIOS": ("marker", ("Helios",)),
    "INFg": ("marker", ("IFN-g",)),
    "Lef": ("marker", ("LEF-1",)),
    "Perf": ("marker", ("Perforin",)),
    "T-Bet": ("marker", ("T-bet",)),
    "TBET": ("marker", ("T-bet",)),
    "Tbet": ("marker", ("T-bet",)),
    "TCRab": ("marker", ("TCRab",)),
    "MART": ("tetramer", ()),
    "Multimer": ("tetramer", ()),
    "Tetramer": ("tetramer", ()),
    "tetramer": ("tetramer", ()),
    "Empty": ("empty", ()),
    "empty": ("empty", ()),
    "Perfoin": ("unknown", ()),
    "Osmium": ("unknown", ()),
}


def test_production_pairs(shared_data: Path):
    rows = table(shared_data / "markers" / "production_pns_pairs.tsv")
    agree, left = 0, []
    for row in rows:
        reported, preferred = row["pns_reported"], row["pns_preferred"]
        reading = parse_channel("", reported)
        if reported in CORRECTED:
            assert (reading.role, reading.antigens) == CORRECTED[reported], reported
            agree += reading.role != "unknown"
        elif preferred.startswith("h"):
            assert reading.role == "marker", reported
            assert set(reading.genes) == {preferred[1:]}, reported
            agree += 1
        else:
            assert reading.role in {"detector", "scatter", "empty"}, reported
            agree += 1
        if reading.role == "unknown":
            left.append(reported)
    print(f"production pairs: {agree} of {len(rows)} right; unknown: {left}")
    assert agree / len(rows) >= 0.97


def test_given_names(shared_data: Path):
    """Where the source itself states marker and fluorochrome, and a name is there to be read."""
    marker_rows = marker_right = fluor_rows = fluor_right = 0
    for row in table(shared_data / "markers" / "raw_channel_names.tsv"):
        pnn, pns, given, fluor = row["raw_pnn"], row["raw_pns"], row["given_marker"], row["given_fluor"]
        reading = parse_channel(pnn, pns)
        if given and pns.strip() and key(pns) != key(pnn) and (pns, given) not in SOURCE_ERRORS:
            marker_rows += 1
            stated = parse_channel("", given)
            good = SYMBOLS.get(given, given) in reading.genes or (
                (stated.role, stated.antigens) == (reading.role, reading.antigens) and stated.role != "unknown"
            )
            marker_right += good
            if not good:
                print("differs:", pnn, "|", pns, "| given", given, "|", reading.role, reading.antigens)
        if fluor and fluor != "Unstained":
            fluor_rows += 1
            good = reading.reporter == parse_channel(fluor, "").reporter != ""
            fluor_right += good
            if not good:
                print("differs:", pnn, "|", pns, "| given", fluor, "|", reading.reporter)
    print(f"given markers: {marker_right} of {marker_rows}; given fluorochromes: {fluor_right} of {fluor_rows}")
    assert marker_rows > 450
    assert marker_right / marker_rows >= 0.99
    assert fluor_right == fluor_rows > 50


def test_few_marker_channels_are_unknown(shared_data: Path):
    readings = [
        parse_channel(row["raw_pnn"], row["raw_pns"])
        for row in table(shared_data / "markers" / "raw_channel_names.tsv")
    ]
    markers = sum(reading.role in {"marker", "dump"} for reading in readings)
    unknown = sum(reading.role == "unknown" for reading in readings)
    print(f"raw names: {len(readings)} read, {markers} markers, {unknown} unknown")
    assert unknown / (markers + unknown) <= 0.005


def test_labels_of_immport(shared_data: Path):
    """ImmPort's list of reported analyte labels, which is wider than cytometry."""
    rows = table(shared_data / "markers" / "appendix_a_analyte_markers.tsv")
    markers = sum(parse_channel("", row["Analyte Reported"]).role == "marker" for row in rows)
    print(f"analyte labels: {markers} of {len(rows)} read as a marker")
    assert markers / len(rows) >= 0.9


def header_markers(folder: Path, study: str) -> Iterator[list[str]]:
    """Lines of each fcs_header_marker.txt of a study, in zip files or folders."""
    for package in sorted(folder.glob(f"{study}*")):
        if package.suffix == ".zip":
            with zipfile.ZipFile(package) as archive:
                for name in archive.namelist():
                    if name.endswith("fcs_header_marker.txt"):
                        yield archive.read(name).decode("utf-8", errors="replace").splitlines()
        for path in sorted(package.rglob("fcs_header_marker.txt")) if package.is_dir() else []:
            yield path.read_text(encoding="utf-8", errors="replace").splitlines()


@pytest.mark.parametrize("release", ["SDY144", "SDY180", "SDY364", "SDY372", "SDY404", "SDY514"])
def test_channels_of_packages(shared_data: Path, release: str):
    """Every reported stain of the packages is understood, but for the typo that ImmPort has too."""
    unknown: set[tuple[str, str]] = set()
    texts = list(header_markers(shared_data / "immport" / "tab", release))
    assert texts
    for text in texts:
        names = [name.upper() for name in text[0].split("\t")]
        pnn, pns = names.index("PNN_REPORTED"), names.index("PNS_REPORTED")
        pairs = {(cells[pnn], cells[pns]) for line in text[1:] if len(cells := line.split("\t")) > max(pnn, pns)}
        unknown |= {pair for pair in pairs if parse_channel(*pair).role == "unknown"}
    print(f"{release}: unknown {sorted(unknown)}")
    assert {pns for _, pns in unknown} <= {"CXC35"}


def test_panels_of_the_real_studies(shared_data: Path):
    files = {path.name: path for path in sorted((shared_data / "metacyto" / "extdata").rglob("*.fcs"))}
    studies = {name: "SDY420" if "cells_found" in name else "SDY736" for name in files}
    result = harmonize(files, studies=studies)
    assert result.failures.empty
    assert result.findings == []
    found = {
        (row.study_accession, row.technique, row.n_files): row.markers.split(";") for row in result.panels.itertuples()
    }
    assert found == {
        ("SDY420", "CyTOF", 4): [
            "CCR7",
            "CD127",
            "CD14",
            "CD16",
            "CD161",
            "CD19",
            "CD20",
            "CD24",
            "CD25",
            "CD27",
            "CD28",
            "CD3",
            "CD33",
            "CD38",
            "CD4",
            "CD45RA",
            "CD56",
            "CD8",
            "CD85j",
            "CD94",
            "HLA-DR",
            "IgD",
            "TCRgd",
        ],
        ("SDY736", "Flow cytometry", 6): ["CCR7", "CD11a", "CD16", "CD28", "CD3", "CD4", "CD62L", "CD8b", "CD95"],
        ("SDY736", "Flow cytometry", 4): ["CCR7", "CD28", "CD3", "CD4", "CD45RA", "CD57", "CD8", "CD95", "Ki67"],
    }
    roles = result.panel.groupby("role")["fcs_colname"].agg(lambda names: sorted(set(names)))
    assert roles["viability"] == ["(In115)Dd", "Live/Dead Yellow-A"]
    assert roles["dna"] == ["(Ir191)Dd", "(Ir193)Dd"]
    assert roles["event"] == ["Cell_length"]
    assert roles["scatter"] == ["FSC-A", "SSC-A"]


def test_gating_examples(shared_data: Path):
    """ImmPort's worked examples, where gates can say them; markers as its curation has them."""
    import json

    examples = json.loads((shared_data / "markers" / "gating_definition_examples.json").read_text(encoding="utf-8"))
    by_number = {example["example"]: example["reported"] for example in examples}
    assert str(parse_gates(by_number[2])) == "B220- CD4+ CXCR5++ Bcl-6+ viable singlet"
    assert str(parse_gates(by_number[3])) == "B220- CD4+ CD44lo CCR7+ viable singlet"
