"""The vocabulary is consistent, and start-up is light."""

import subprocess
import sys
from pathlib import Path

import pytest

from immport_cyto.panel import antigen, identifiers, parse_channel, resolve
from immport_cyto.panel._text import clean, key
from immport_cyto.panel.index import build
from immport_cyto.panel.vocabulary import load, rows

# numbers that the workshops reserved, withdrew or gave to no molecule
NEVER_GIVEN = frozenset({76, 78, 145, 149, 187, 188, 189, 190, 211, 214, 216, 219, 237, 250, 251, 259, 260, 291, 359})
KINDS = {
    "surface",
    "carbohydrate",
    "allele",
    "intracellular",
    "nuclear",
    "cytokine",
    "signalling",
    "cleavable",
    "phospho",
    "synthesis",
    "tetramer",
    "secondary",
}


def test_no_spelling_belongs_to_two_antigens():
    assert build()[1] == []


def test_the_index_is_the_tables():
    assert load() == build()[0]


def test_no_spelling_is_antigen_and_reporter_or_word():
    vocabulary = load()
    assert not vocabulary.antigens.keys() & vocabulary.reporters.keys()
    assert not vocabulary.antigens.keys() & vocabulary.words.keys()
    assert not vocabulary.reporters.keys() & vocabulary.words.keys()


def test_no_word_has_two_meanings():
    seen: dict[str, str] = {}
    for row in rows("words"):
        for name in (row["name"], *row["synonyms"].split("|")):
            if key(name):
                assert seen.setdefault(key(name), row["name"]) == row["name"], name


def test_no_reporter_has_two_names():
    seen: dict[str, tuple[str, bool]] = {}
    for row in rows("reporters"):
        for number in row["numbers"].split("|"):
            for template in (row["reporter"], *filter(None, row["synonyms"].split("|"))):
                meaning = row["reporter"].replace("{}", number)
                assert seen.setdefault(key(template.replace("{}", number)), meaning) == meaning, template


def test_tables_are_as_the_build_script_writes_them():
    script = Path(__file__).parent.parent.parent / "scripts" / "make_vocabulary.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", range(1, 372))
def test_every_cd_number_that_was_given(number: int):
    """All CD numbers of the workshops, as such or with their letters; the ones never given stay unknown."""
    letters = ("", *"abcdefghijkrwz", "a1", "RA", "s")
    found = [antigen(f"CD{number}{letter}") for letter in letters]
    assert any(found) != (number in NEVER_GIVEN)


def test_identifiers():
    assert [(p.species, p.pr) for p in identifiers("CD4")] == [("human", "PR:P01730"), ("mouse", "PR:P06332")]
    assert identifiers("CD4", "mouse")[0].symbol == "Cd4"
    assert identifiers("no such gene") == ()


def test_dyes_have_their_laser_and_peak():
    reporters = load().reporters
    found = {name: (reporters[key(name)].laser, reporters[key(name)].emission) for name in ("PE", "BV421", "RB780")}
    assert found == {"PE": (561, 578), "BV421": (405, 421), "RB780": (488, 780)}
    assert reporters[key("AF647")].emission == 668
    assert all(r.emission == 0 or 380 < r.emission < 900 for r in reporters.values())
    assert all(r.laser in {0, 355, 405, 488, 532, 561, 640} for r in reporters.values())


def test_antigen_rows_are_complete():
    names = []
    for row in rows("antigens"):
        names.append(row["antigen"])
        assert row["kind"] in KINDS, row
        assert row["species"] in {"human", "mouse", "both"}, row
        assert row["marker_class"] in {"type", "state"}, row
        assert row["source"] in {"HCDM", "HGNC", "project"}, row
        assert not any(c in row["antigen"] for c in ";,\t"), row
    assert len(names) == len(set(names)) == len({key(name) for name in names})
    assert names == sorted(names, key=str.lower)


def test_protein_rows_name_their_source():
    """Each gene once per species; a mouse accession is ImmPort's; a human one is from a public table."""
    places = [(row["gene"], row["species"]) for row in rows("proteins")]
    assert places == sorted(set(places))
    for row in rows("proteins"):
        known = {"mouse": {"ImmPort"}, "human": {"ImmPort", "HGNC", "UniProt", "CellPhoneDB"}}
        assert row["source"] in known[row["species"]], row


@pytest.mark.parametrize(
    ("gene", "accession"),
    [
        ("TBX21", "Q9UL17"),
        ("CLEC12A", "Q5QGZ9"),
        ("IL31RA", "Q8NI17"),
        ("MAP2K6", "P52564"),
        ("CDKN2A", "P42771"),
        ("H3-3A", "P84243"),
    ],
)
def test_identifiers_of_public_tables(gene: str, accession: str):
    assert [p.pr for p in identifiers(gene, "human")] == [f"PR:{accession}"]


def test_every_preferred_name_reads_as_itself():
    for row in rows("antigens"):
        assert antigen(row["antigen"]) == row["antigen"]
        reading = parse_channel("", row["antigen"])
        assert (reading.role, reading.antigen) == ("marker", row["antigen"]), row


def test_isotopes_have_their_mass_in_the_name():
    for isotope in load().isotopes.values():
        assert isotope.name == f"{isotope.mass}{isotope.element}"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("HLADR", "HLA-DR"),
        ("HLA DR", "HLA-DR"),
        ("cd3", "CD3"),
        ("CD197", "CCR7"),
        ("Ki-67", "Ki67"),
        ("PD1", "PD-1"),
        ("CD8a", "CD8a"),
        ("CD8", "CD8"),
        ("CD8 beta", "CD8b"),
        ("IFNγ", "IFN-g"),
        ("TNF-alpha", "TNF-a"),
        ("TCR γδ", "TCRgd"),
        ("CD45R0", "CD45RO"),
        ("PTPRC", "CD45"),
        ("pERK1/2", "pERK1/2"),
        ("NCAM", "CD56"),
    ],
)
def test_antigen(spelling: str, name: str):
    assert antigen(spelling) == name


@pytest.mark.parametrize("spelling", ["", "   ", "CXC35", "nothing", "FITC", "CD3/CD19", "CD999"])
def test_antigen_of_what_is_none(spelling: str):
    assert antigen(spelling) is None


def test_names_that_must_never_be_one():
    groups = [
        ("CD45", "CD45RA", "CD45RO", "CD45RB", "B220"),
        ("CD8", "CD8a", "CD8b"),
        ("STAT5", "pSTAT5"),
        ("Caspase-3", "cleaved Caspase-3"),
        ("CD16", "CD16b", "CD16/32"),
        ("CD3", "CD3z"),
        ("IgG", "IgG3", "IgG4"),
    ]
    for group in groups:
        assert len({antigen(name) for name in group}) == len(group)


def test_resolve():
    assert resolve("HLADR", ["CD3", "HLA-DR"]) == "HLA-DR"
    assert resolve("CD8", ["CD8a", "CD8b"]) == "CD8a"
    assert resolve("CD8", ["CD8b"]) == "CD8b"
    assert resolve("CD8a", ["CD8"]) == "CD8"
    assert resolve("CD8b", ["CD8", "CD8a"]) is None
    assert resolve("CD45", ["CD45RA"]) is None
    assert resolve("CD45RA", ["CD45", "CD45RO"]) is None
    assert resolve("STAT5", ["pSTAT5"]) is None
    assert resolve("My protein", ["MY-PROTEIN"]) == "MY-PROTEIN"


def test_key_keeps_numbers_apart():
    assert key("CD3-19") == "cd3.19" != key("CD319")
    assert key("PerCP-Cy5-5") == key("PerCP Cy5.5")
    assert key("\u202eCD4\u0007") == "cd4"
    assert clean("a\x00b\tc") == "a b c"


def test_import_is_light():
    code = (
        "import sys; from immport_cyto.panel import parse_channel, parse_gates; parse_channel('FITC-A', 'CD3');"
        "parse_gates('CD3+'); print([m for m in ('pandas', 'scipy', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
