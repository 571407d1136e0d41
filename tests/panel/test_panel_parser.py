"""One channel from its $PnN and $PnS."""

import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from immport_cyto.panel import ROLES, Context, parse_channel


def read(pnn: str, pns: str = "") -> tuple[str, str, str]:
    reading = parse_channel(pnn, pns)
    return reading.role, reading.antigen, reading.reporter


@pytest.mark.parametrize(
    ("pnn", "pns", "antigen", "reporter"),
    [
        ("(Nd142)Dd", "CD19", "CD19", "142Nd"),
        ("Nd146Di", "146Nd_CD8a (v)", "CD8a", "146Nd"),
        ("Dy161Di", "161Dy_CD80", "CD80", "161Dy"),
        ("CD80_Dy161", "CD80_Dy161", "CD80", "161Dy"),
        ("CD3(Cd110)Di", "CD3(Cd110)Di", "CD3", "110Cd"),
        ("Cd112Di", "CD112", "CD112", "112Cd"),
        ("Y89Di", "CD45_89", "CD45", "89Y"),
        ("PE-A", "CD62L", "CD62L", "PE"),
        ("e450-A", "CD45RA", "CD45RA", "eFluor 450"),
        ("<PE-Cy7-A>:CD4", "", "CD4", "PE-Cy7"),
        ("Comp-PE-A", "CD4", "CD4", "PE"),
        ("PerCP Cy 5-5-A", "CD4 PerCP Cy 5-5-A", "CD4", "PerCP-Cy5.5"),
        ("407A-A", "CD25 407A-A", "CD25", ""),
        ("FL2-H", "CD8 B PE", "CD8b", "PE"),
        ("FL3-H", "PP CD3", "CD3", "PerCP"),
        ("VL 525/50-A", "B220;V500;510/50@405/E", "B220", "V500"),
        ("", "CD56(NCAM)", "CD56", ""),
        ("", "167Er_CD197_CCR7", "CCR7", "167Er"),
        ("", "hCD4", "CD4", ""),
        ("", "CD45-RA", "CD45RA", ""),
        ("", "CD 45 RO", "CD45RO", ""),
        ("", "pS6 [S235/S236]", "pS6", ""),
        ("", "STAT5_pY694", "pSTAT5", ""),
        ("", "tIkBa", "IkBa", ""),
        ("", "cCaspase3", "cleaved Caspase-3", ""),
        ("", "CD4 (RPA-T4)", "CD4", ""),
        ("", "CD11b (M1/70)", "CD11b", ""),
        ("", "CD16 3G8", "CD16", ""),
        ("", "CD161 (NK1.1)", "NK1.1", ""),
        ("Ho165Di", "165Ho_Biotin", "anti-Biotin", "165Ho"),
        ("Nd145Di", "PE-CCR2", "CCR2", "145Nd"),
        ("", "IFN-a", "IFN-a", ""),
        ("CD8-A", "CD8-A", "CD8", ""),
        ("Alexa Fluor 647-A", "CD1d-PBS-57", "CD1d-aGalCer tetramer", "Alexa Fluor 647"),
    ],
)
def test_markers(pnn: str, pns: str, antigen: str, reporter: str):
    assert read(pnn, pns) == ("marker", antigen, reporter)


@pytest.mark.parametrize(
    ("pnn", "pns", "role"),
    [
        ("FSC-A", " ", "scatter"),
        ("SSC.H", "SSC-H", "scatter"),
        ("FS INT LIN", "", "scatter"),
        ("SSC-B-W", "", "scatter"),
        ("FL1-H", "Forward Scatter", "scatter"),
        ("Time", "", "time"),
        ("HDR-T", "HDR-T", "time"),
        ("Time", "Time (51.20 sec.)", "time"),
        ("Cell_length", "", "event"),
        ("Event_length", "Event_length", "event"),
        ("Center", "", "event"),
        ("(In115)Dd", "Dead", "viability"),
        ("Live/Dead Yellow-A", "Live", "viability"),
        ("APC-Cy7-A", "Live/Dead NIR", "viability"),
        ("DAPI-A", "FIxable Blye", "viability"),
        ("FL1", "PI", "viability"),
        ("DAPI-A", "", "detector"),
        ("PE-A", "", "detector"),
        ("FL1-H", "", "detector"),
        ("407E-A", "407E-A", "detector"),
        ("450/50Violet-A", "", "detector"),
        ("560/40 Violet-A", " ", "detector"),
        ("GRN-B-HLin", "", "detector"),
        ("(Ir191)Dd", "DNA1", "dna"),
        ("(Ir193)Di", "193", "dna"),
        ("Ir191Di", "", "dna"),
        ("Ce140Di", "140Ce_Bead", "bead"),
        ("Pd102Di", "BC1", "barcode"),
        ("BCKG190Di", "190BCKG", "empty"),
        ("Xe131Di", "", "empty"),
        ("PE-A", "-", "empty"),
        ("APC-A", "xxxxxx", "empty"),
        ("FL2 Log", "IgG1-PE", "isotype"),
        ("APC-A", "Multimer", "tetramer"),
        ("APC-A", "HLA-A2 tetramer", "tetramer"),
        ("FITC-A", "CFSE", "proliferation"),
        ("FITC-A", "Lin-1", "dump"),
        ("PE-A", "DUMP", "dump"),
        ("tSNE1", "", "derived"),
        ("FlowSOM_metacluster", "", "derived"),
        ("Blue", "Blue", "unknown"),
        ("FITC-A", "CXC35", "unknown"),
        ("PE-A", "PE HLA-DR or IgG2b", "unknown"),
    ],
)
def test_roles(pnn: str, pns: str, role: str):
    assert parse_channel(pnn, pns).role == role


@pytest.mark.parametrize(
    ("text", "antigens"),
    [
        ("CD3-19-20-56", ("CD3", "CD19", "CD20", "CD56")),
        ("CD14/CD3", ("CD14", "CD3")),
        ("CD16/56", ("CD16", "CD56")),
        ("CD3CD19CD20", ("CD3", "CD19", "CD20")),
        ("Dump(CD3CD19CD20CD56)", ("CD3", "CD19", "CD20", "CD56")),
        ("CD14-16-19dead", ("CD14", "CD16", "CD19")),
        ("CD141619dead", ("CD14", "CD16", "CD19")),
        ("VIVID / CD14", ("CD14",)),
        ("CD4 / CD20", ("CD4", "CD20")),
        ("CD235-61-7-15(In113)Di", ("CD235", "CD61", "CD7", "CD15")),
        ("DEAD CD19", ("CD19",)),
    ],
)
def test_dumps_keep_all_members(text: str, antigens: tuple[str, ...]):
    reading = parse_channel("", text)
    assert (reading.role, reading.antigens) == ("dump", antigens)


@pytest.mark.parametrize(
    ("text", "antigens"),
    [
        ("CD158a/b/e", ("CD158a", "CD158b", "CD158e")),
        ("IL17_CD95", ("IL-17A", "CD95")),
        ("IL-4/IL-13", ("IL-4", "IL-13")),
    ],
)
def test_several_targets_that_are_no_dump(text: str, antigens: tuple[str, ...]):
    reading = parse_channel("", text)
    assert (reading.role, reading.antigens) == ("marker", antigens)


@pytest.mark.parametrize(
    "text", ["Cd300ldX", "Flt3 ligandX", "CD3/XYZ9", "CD12345678", "IL20RBX", "CXC35", "CD4-FOO", "CD4/FOO"]
)
def test_doubt_is_unknown(text: str):
    assert parse_channel("", text).role == "unknown"


def test_suggestions_of_the_unknown():
    assert {"CXCR3", "CXCR5"} <= set(parse_channel("FITC-A", "CXC35").alternatives)
    assert parse_channel("", "Perfoin").alternatives[0] == "Perforin"
    assert parse_channel("FL2-H", "PE HLA-DR or IgG2b").alternatives[0] == "HLA-DR"


def test_modifiers_and_class():
    assert parse_channel("", "STAT5 (Y694)").modifiers == ("phospho", "site Y694")
    assert "intracellular" in parse_channel("", "ic CTLA-4").modifiers
    assert parse_channel("", "CD45_SCS").modifiers == ("unread SCS",)
    assert parse_channel("", "CD8a (53-6.7)").modifiers == ("clone 53-6.7",)
    assert parse_channel("", "CD16 3G8").modifiers == ("clone 3G8",)
    assert parse_channel("Nd145Di", "PE-CCR2").modifiers == ("through PE",)
    assert parse_channel("", "pSTAT5").marker_class == "state"
    assert parse_channel("", "CD4").marker_class == "type"
    assert parse_channel("Time", "").marker_class == "none"


def test_context_tells_control_from_antibody_class():
    assert parse_channel("PE-A", "IgG1").role == "isotype"
    panel = Context(labels=("IgG1", "IgG3", "IgM", "CD19"))
    reading = parse_channel("PE-A", "IgG1", context=panel)
    assert (reading.role, reading.antigen, reading.genes) == ("marker", "IgG1", ("IGHG1",))


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000,
        "CD3" * 3_000,
        "CD3/" * 2_500,
        "\x00\x01CD4",
        "\u202eCD4\u202c",
        "سي دي ٤",
        "<script>alert(1)</script>",
        "=1+1",
        "\ud800",
        "🧬CD3🧬",
        "1" * 10_000,
        "-" * 10_000,
        "(" * 10_000,
        "a-" * 5_000,
        "\t\r\n",
    ],
)
def test_hostile_names_are_read_fast(text: str):
    start = time.perf_counter()
    for pnn, pns in ((text, ""), ("PE-A", text), (text, text)):
        reading = parse_channel(pnn, pns)
        assert reading.role in ROLES
        assert not any(ord(c) < 32 for c in reading.antigen + reading.reporter + "".join(reading.modifiers))
    assert time.perf_counter() - start < 2


@given(st.text(max_size=60), st.text(max_size=60))
@example("", "CD3\u2028")
def test_any_text_gives_a_reading(pnn: str, pns: str):
    reading = parse_channel(pnn, pns)
    assert reading.role in ROLES
    assert 0 <= reading.confidence <= 1
    assert reading.role != "marker" or reading.antigens
    assert (reading.role == "unknown") == (reading.confidence == 0)


_ANTIGENS = st.sampled_from(
    ["CD3", "CD4", "CD8a", "CD45RA", "CCR7", "HLA-DR", "TCRgd", "Ki67", "pSTAT5", "IL-2", "PD-1"]
)
_FLUORS = st.sampled_from(
    ["FITC", "PE", "PE-Cy7", "APC-H7", "BV421", "PerCP-Cy5.5", "Alexa Fluor 700", "BUV395", "eFluor 450"]
)


@given(_ANTIGENS, _FLUORS, st.sampled_from([" ", "-", "_", " - ", ";", ":"]), st.booleans(), st.booleans())
def test_order_and_separator_do_not_matter(antigen: str, fluor: str, separator: str, first: bool, pulse: bool):
    text = f"{fluor}{separator}{antigen}" if first else f"{antigen}{separator}{fluor}"
    reading = parse_channel("FL1-A", text + ("-A" if pulse else ""))
    assert (reading.role, reading.antigen, reading.reporter) == ("marker", antigen, fluor)


@given(
    st.lists(st.sampled_from(["CD3", "CD14", "CD16", "CD19", "CD20", "CD56"]), min_size=2, max_size=5, unique=True),
    st.sampled_from(["/", "-", "+", ",", " / ", ""]),
)
def test_a_dump_never_becomes_one_member(members: list[str], separator: str):
    reading = parse_channel("PE-A", separator.join(members))
    assert (reading.role, reading.antigens) == ("dump", tuple(members))


def test_200_000_channels_are_read_in_seconds():
    names = [("PE-A", "CD4"), ("(Nd142)Dd", "CD19"), ("FL3-H", "PP CD3"), ("FITC-A", "CD3-19-20-56")] * 50_000
    start = time.perf_counter()
    for pnn, pns in names:
        parse_channel(pnn, pns)
    assert time.perf_counter() - start < 10


def collected() -> list[tuple[str, ...]]:
    """Names of many instruments, makers and laboratories, collected by hand."""
    lines = (Path(__file__).parent / "channel_names.tsv").read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")) for line in lines[1:]]


def test_collected_names():
    wrong = []
    for pnn, pns, role, antigens, reporter in collected():
        reading = parse_channel(pnn, pns)
        found = ";".join(reading.antigens) if role in {"marker", "dump"} else ""
        if (reading.role, found) != (role, antigens) or (reporter and reading.reporter != reporter):
            wrong.append((pnn, pns, role, antigens, reporter, reading))
    assert wrong == []


@given(st.sampled_from(collected()), st.sampled_from(["", " ", "\u200b", "\u00a0", "\x00"]), st.booleans())
def test_blanks_and_invisible_characters_do_not_matter(row: tuple[str, ...], padding: str, before: bool):
    pnn, pns = row[0], row[1]
    padded = padding + pns if before else pns + padding
    if pns:
        plain, other = parse_channel(pnn, pns), parse_channel(pnn, padded)
        assert (other.role, other.antigens, other.reporter) == (plain.role, plain.antigens, plain.reporter)


@pytest.mark.parametrize(
    ("text", "antigen"),
    [("CD45RA", "CD45RA"), ("CD45RO", "CD45RO"), ("pSTAT3 (Y705)", "pSTAT3"), ("CD3 pY142", "pCD3"), ("CD8b", "CD8b")],
)
def test_a_second_name_in_brackets_never_merges_targets(text: str, antigen: str):
    """Names of one gene in brackets are one target, isoforms and phospho forms are not."""
    assert parse_channel("", text).antigen == antigen
    assert parse_channel("", "CD45RA (CD45)").antigens != ("CD45RA",)
    assert parse_channel("", "Siglec-F (SIGLEC5)").antigen == "Siglec-F"
    assert parse_channel("", "CD8b (CD8B)").antigen == "CD8b"
