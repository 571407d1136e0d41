"""The channel parser against real names: hard cases, ImmPort's own curation, names with a given truth, real studies.

The figures are printed (``pytest -rP``); the floors are what the parser reaches, rounded down.
"""

import csv
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from immport_cyto import immport
from immport_cyto.exceptions import DefinitionError
from immport_cyto.immport import staining
from immport_cyto.panel import (
    ChannelReading,
    compare,
    harmonize,
    immport_name,
    parse_channel,
    parse_gates,
    read_analytes,
    read_population,
)
from immport_cyto.panel._text import key
from immport_cyto.panel.reagents import by_file
from immport_cyto.panel.reagents import read as read_reagents

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


def package_tables(folder: Path, study: str, table_name: str) -> Iterator[list[str]]:
    """Lines of one table of each package of a study, in zip files or folders."""
    for package in sorted(folder.glob(f"{study}*")):
        if package.suffix == ".zip":
            with zipfile.ZipFile(package) as archive:
                for name in archive.namelist():
                    if name.endswith(table_name):
                        yield archive.read(name).decode("utf-8", errors="replace").splitlines()
        for path in sorted(package.rglob(table_name)) if package.is_dir() else []:
            yield path.read_text(encoding="utf-8", errors="replace").splitlines()


@pytest.mark.parametrize("release", ["SDY144", "SDY180", "SDY364", "SDY372", "SDY404", "SDY514"])
def test_channels_of_packages(shared_data: Path, release: str):
    """Every reported stain of the packages is understood, but for the typo that ImmPort has too."""
    unknown: set[tuple[str, str]] = set()
    texts = list(package_tables(shared_data / "immport" / "tab", release, "fcs_header_marker.txt"))
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


# ImmPort's worked examples as gates; those without are refused, with a part of the message
GATING = {
    2: "B220- CD4+ CXCR5++ Bcl-6+ viable singlet",
    3: "B220- CD4+ CD44lo CCR7+ viable singlet",
}
REFUSED = {
    1: "'Non-naive' at character",
    4: "has no sign",
    5: "'either' is no gate",
    6: "has no sign",
    7: "'Non-naive' at character",
    8: "has no sign",
    9: "has no sign",
    10: "has no sign",
    11: "'CD3' at character 14 has no sign",
    12: "'minus' is no gate",
}


def gating_examples(shared_data: Path) -> dict[int, dict[str, str]]:
    import json

    examples = json.loads((shared_data / "markers" / "gating_definition_examples.json").read_text(encoding="utf-8"))
    return {example["example"]: example for example in examples}


def test_gating_examples(shared_data: Path):
    """Where gates can say what an example says; else one sentence says why not."""
    examples = gating_examples(shared_data)
    assert GATING.keys() | REFUSED.keys() == examples.keys()
    for number, canonical in GATING.items():
        assert str(parse_gates(examples[number]["reported"])) == canonical
    for number, part in REFUSED.items():
        with pytest.raises(DefinitionError) as caught:
            parse_gates(examples[number]["reported"])
        assert part in str(caught.value), number


def test_contradictions_of_the_gating_examples(shared_data: Path):
    """Two examples contradict themselves; ours is the reading of the rule (low is +-), not of the slip."""
    examples = gating_examples(shared_data)
    low = next(marker for marker in examples[3]["markers"] if marker[0] == "CD44low")
    assert (low[1], "hCD44+-" in examples[3]["preferred"]) == ("hCD44-", True)
    assert parse_gates("CD44low").hipc() == "CD44+-"
    viable = examples[1]["preferred"].split(", ")[:3]
    assert viable == ["intact", "singlet", "singlet"]  # "viable singlets" lost "viable"
    assert parse_gates("viable/singlets/CD3+").hipc() == "viable, singlet, CD3+"


def test_names_of_published_populations(shared_data: Path):
    """Names of the cell populations of three packages."""
    names: set[str] = set()
    for study in ("SDY144", "SDY364", "SDY372"):
        for lines in package_tables(shared_data / "immport" / "tab", study, "fcs_analyzed_result.txt"):
            place = lines[0].split("\t").index("POPULATION_NAME_REPORTED")
            names |= {line.split("\t")[place] for line in lines[1:] if line.count("\t") >= place}
    unread = {name: read_population(name).unread for name in sorted(names) if read_population(name).unread}
    print(f"population names: {len(names) - len(unread)} of {len(names)} read; not: {unread}")
    assert len(names) > 150
    assert len(unread) <= 3


def test_definitions_of_published_populations(shared_data: Path):
    """HIPC definitions of the packages read, and read back in HIPC's form."""
    texts: set[str] = set()
    for study in ("SDY144", "SDY364", "SDY372"):
        for lines in package_tables(shared_data / "immport" / "tab", study, "fcs_analyzed_result.txt"):
            place = lines[0].split("\t").index("POPULATION_DEFNITION_REPORTED")
            texts |= {line.split("\t")[place] for line in lines[1:] if line.count("\t") >= place}
    gates = {text for text in texts if text and "Freq" not in text and "Count" not in text and "Sum of" not in text}
    for text in sorted(gates):
        definition = parse_gates(text)
        assert parse_gates(definition.hipc()) == definition, text
    print(f"definitions: {len(gates)} of {len(texts - {''})} are gates and read back")
    assert len(gates) > 130


def test_immport_compatible_names(shared_data: Path):
    rows = [r for r in table(shared_data / "markers" / "pnn_pns_examples.tsv") if r["pnn_reported"] != "pnn_reported"]
    exact = 0
    for row in rows:
        found = (immport_name(row["pnn_reported"]), immport_name(row["pns_reported"]))
        exact += found == (row["pnn_preferred"], row["pns_preferred"])
        if found != (row["pnn_preferred"], row["pns_preferred"]):
            print("differs:", row["pns_reported"], "|", found[1], "|", row["pns_preferred"])
    print(f"--naming immport: {exact} of {len(rows)} exact ({100 * exact / len(rows):.1f} %)")
    assert exact / len(rows) >= 0.95


@pytest.mark.parametrize("release", ["DR20", "DR24", "DR27", "DR29", "DR32"])
def test_analytes_of_all_releases(shared_data: Path, release: str):
    analytes = read_analytes([shared_data / "immport" / "tab" / f"SDY514-{release}_Tab.zip"])
    found = [analytes.accession([name]) for name in ("CD4", "CD3", "HLA-DR", "IL-17A", "CCR7")]
    print(f"{release}: {len(analytes.by_antigen)} antigens with an accession, {len(analytes.by_key)} new names")
    assert found == ["ANA41", "ANA809", "ANA812", "ANA133", "ANA37"]
    assert analytes.accession(["CD45"]) == ""
    assert len(analytes.by_antigen) > 450


def test_reagents_name_the_channels_of_sdy139(shared_data: Path):
    """Its FCS files name detectors only; the panel is in the reagents."""
    with immport.open_store(":memory:") as store:
        store.load([shared_data / "immport" / "tab" / "SDY139-DR25_Tab.zip"])
        stains = by_file(staining.file_reagents(store.connection))
        channels = sorted({name[1] for name in staining.channel_names(store.connection)})
        assert staining.is_mouse(store.connection)
    found = {
        (pnn, reading.antigen)
        for stain in set(stains.values())
        for pnn in channels
        if (reading := read_reagents(pnn, parse_channel(pnn, pnn), stain)).role == "marker"
    }
    print(f"SDY139: {sorted(found)}")
    assert {
        ("Violet B 450/50-A", "CD4"),
        ("Red A 780/60-A", "CD44"),
        ("Blue A 780/60-A", "PD-1"),
        ("Blue B 670LP-A", "B220"),
    } <= found


@pytest.mark.parametrize("study", ["SDY144-DR28", "SDY180-DR29", "SDY364-DR29", "SDY372-DR29", "SDY514-DR32"])
def test_names_of_immport_beside_ours(shared_data: Path, study: str):
    """Every disagreement has a reason, and none is that ours is not understood, but for ImmPort's own typo."""
    with immport.open_store(":memory:") as store:
        store.load([shared_data / "immport" / "tab" / f"{study}_Tab.zip"])
        names = compare(staining.channel_names(store.connection))
    differing = names[~names["agrees"]]
    reasons = differing.groupby("reason")["n_files"].sum().sort_values(ascending=False)
    print(f"{study}: {len(names) - len(differing)} of {len(names)} names agree;", reasons.to_dict())
    assert not differing["reason"].eq("").any()
    assert not differing["reason"].eq("not understood here").any()
