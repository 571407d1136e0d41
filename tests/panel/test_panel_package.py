"""What ImmPort packages add: analytes, reagents, ImmPort's own names beside ours."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, tables
from immport_cyto.cli.panel import group
from immport_cyto.exceptions import OptionError, TableError
from immport_cyto.panel import compare, harmonize, immport_name, parse_channel, read_analytes
from immport_cyto.panel.analytes import Analyte, match
from immport_cyto.panel.comparison import difference, genes
from immport_cyto.panel.immport_names import immport_antigen, labels
from immport_cyto.panel.reagents import Reagent, through_biotin
from immport_cyto.panel.reagents import read as read_reagents
from immport_cyto.panel.vocabulary import antigen

ANALYTES = [
    Analyte("ANA41", "CD4", "CD4", "human"),
    Analyte("ANA809", "CD3E", "CD3", "human"),
    Analyte("ANA816", "PTPRC", "CD45RA", "human"),
    Analyte("ANA712", "SELE", "CD62L", "human"),
    Analyte("ANA9001", "XYZ1", "Xyzin", "human"),
    Analyte("ANA300", "Cd4", "CD4", "mouse"),
]


def make(folder: Path, name: str, channels: list[tuple[str, str]]) -> Path:
    path = folder / name
    fcs.write(path, np.ones((5, len(channels)), dtype=np.float32), channels, {"$CYT": "test"})
    return path


def lk_analyte(*rows: tuple[str, ...], symbol: str = "IMMUNOLOGY_SYMBOL") -> str:
    return "\n".join("\t".join(row) for row in [("ANALYTE_ACCESSION", "GENE_SYMBOL", symbol, "TAXONOMY_ID"), *rows])


def test_accessions_of_antigens():
    found = match(ANALYTES)
    assert found.accession(["CD4"]) == "ANA41"
    assert found.accession(["CD4"], "mouse") == "ANA300"
    assert found.accession(["CD3", "CD4"]) == "ANA809;ANA41"
    assert found.accession(["CD45RA"]) == "ANA816"
    assert found.accession(["CD45"]) == ""
    assert found.accession(["CD3", "CD19"]) == ""


def test_conflicts_are_named_and_the_gene_decides():
    found = match([*ANALYTES, Analyte("ANA999", "CD4", "CD4", "human")])
    assert found.accession(["CD62L"]) == ""
    assert found.accession(["CD62E"]) == "ANA712"
    sentences = dict(found.conflicts)
    assert sentences["CD62L"].startswith("ANA712: ImmPort's symbol 'CD62L' of gene SELE is CD62L of gene SELL here")
    assert sentences["CD4"] == "CD4: ImmPort has ANA41 and ANA999 (human); the first is used"


@pytest.mark.parametrize(("label", "antigen"), [("Xyzin", "Xyzin"), ("XYZ1", "Xyzin"), ("Xyzin PE-Cy7", "Xyzin")])
def test_names_that_only_immport_has(label: str, antigen: str):
    parsed = parse_channel("PE-Cy7-A", label)
    assert parsed.role == "unknown"
    reading = match(ANALYTES).read(label, parsed)
    assert (reading.role, reading.antigen, reading.genes, reading.reporter) == ("marker", antigen, ("XYZ1",), "PE-Cy7")
    assert reading.rule == "ImmPort analyte ANA9001"


@pytest.mark.parametrize("label", ["Xyzine", "CD4 Xyzin", "FITC"])
def test_nothing_is_guessed_from_analytes(label: str):
    parsed = parse_channel("PE-A", label)
    assert match(ANALYTES).read(label, parsed).antigens == parsed.antigens


def test_packages_of_all_releases(tmp_path: Path):
    text = lk_analyte(("ANA41", "CD4", "CD4", "9606"), ("", "X", "", ""), ("ANA300", "Cd4", "-", "10090"))
    (tmp_path / "SDY1_Tab" / "Tab").mkdir(parents=True)
    (tmp_path / "SDY1_Tab" / "Tab" / "lk_analyte.txt").write_text(text, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "SDY2.zip", "w") as archive:
        archive.writestr(
            "SDY2/Tab/lk_analyte.txt", lk_analyte(("ANA809", "CD3E", "CD3", "9606"), symbol="IMMUNOLOGY_GENE_SYMBOL")
        )
    found = read_analytes([tmp_path / "SDY1_Tab", tmp_path / "SDY2.zip"])
    assert found.accession(["CD4", "CD3"]) == "ANA41;ANA809"
    assert found.accession(["CD4"], "mouse") == "ANA300"


def test_packages_without_analytes(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "SDY1.zip", "w") as archive:
        archive.writestr("Tab/study.txt", "STUDY_ACCESSION")
    with pytest.raises(
        TableError, match=r"SDY1\.zip: no lk_analyte\.txt in the package; give a package of release DR20"
    ):
        read_analytes([tmp_path / "SDY1.zip"])
    (tmp_path / "lk_analyte.txt").write_text("ANALYTE_ACCESSION\tOTHER\nANA1\tx\n", encoding="utf-8")
    with pytest.raises(TableError, match=r"column GENE_SYMBOL of lk_analyte\.txt is missing"):
        read_analytes([tmp_path / "lk_analyte.txt"])


def test_harmonize_with_analytes(tmp_path: Path):
    files = {"a.fcs": make(tmp_path, "a.fcs", [("PE-A", "CD4"), ("APC-A", "Xyzin"), ("FSC-A", "")])}
    result = harmonize(files, analytes=match(ANALYTES))
    assert list(result.panel["antigen"]) == ["CD4", "Xyzin", ""]
    assert list(result.panel["analyte_accession"]) == ["ANA41", "", ""]
    mouse = harmonize(files, analytes=match(ANALYTES), species={"a.fcs": "Mus musculus"})
    assert list(mouse.panel["analyte_accession"]) == ["ANA300", "", ""]
    assert any("'Xyzin' is not understood" in text for text in harmonize(files).findings)


def test_naming(tmp_path: Path):
    files = {"a.fcs": make(tmp_path, "a.fcs", [("PE-A", "CD3"), ("APC-A", "HLADR"), ("FITC-A", "TCRgd")])}
    result = harmonize(files, naming="immport")
    assert list(result.panel["antigen"]) == ["hCD3E", "hHLA-DRA", "TCRgd"]
    assert result.panels["markers"][0] == "TCRgd;hCD3E;hHLA-DRA"
    with pytest.raises(OptionError, match="naming 'other' is not known; use one of project, immport"):
        harmonize(files, naming="other")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CD4", "hCD4"),
        ("Tbet", "Tbet"),
        ("CD80-PE CY7", "hCD80, PE, CY7"),
        ("PE CXCR3", "hCXCR3, PE"),
        ("PE CY7 VCCR7", "PE, CY7, hCCR7"),
        ("CD45", "PTPRC/iso:CD45RO"),
        ("CD3-19-20", "hCD3E, hCD19, hMS4A1"),
        ("Dump(CD3CD19CD56)", "hNCAM1"),
        ("SSC-W", "SSC"),
        ("FSC-A", "FSC-A"),
        ("APC CD 4", "hCD4, APC"),
        ("cd3", "hCD3E"),
        ("", ""),
    ],
)
def test_grammar_of_immport(text: str, name: str):
    assert immport_name(text) == name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("CD3", "hCD3E"),
        ("CD45RA", "hPTPRC/iso:h6"),
        ("CD45RO", "PTPRC/iso:CD45RO"),
        ("CD45", "CD45"),  # ImmPort's grammar gives it the name of CD45RO
        ("B220", "B220"),
        ("STAT5", "hSTAT5A"),
        ("pSTAT5", "pSTAT5"),
        ("CD62L", "hSELL"),
        ("CD8", "hCD8A"),
    ],
)
def test_two_antigens_do_not_get_one_name_of_immport(ours: str, theirs: str):
    assert immport_antigen(ours) == theirs


def test_only_antigens_that_stand_for_each_other_share_a_name_of_immport():
    named: dict[str, set[str]] = {}
    for name in {antigen(label) for label in labels()} - {None}:
        named.setdefault(immport_antigen(name), set()).add(name)
    assert {name: both for name, both in named.items() if len(both) > 1} == {"hCD8A": {"CD8", "CD8a"}}


def test_grammar_of_immport_by_species():
    assert immport_name("Bcl6") == "Bcl6"
    assert immport_name("Bcl6", "mouse") == "mBCL6"


@pytest.mark.parametrize(
    ("pns", "theirs", "reason"),
    [
        ("CD4", "hCD4", ""),
        ("CD4", "CD4", ""),
        ("CD20", "MS4A1", ""),
        ("Live/Dead", "viable", ""),
        ("FITC", "FITC", ""),
        ("Tbet", "Tbet", "ImmPort has no name for 'Tbet'"),
        ("CD45", "PTPRC/iso:CD45RO", "ImmPort names the isoform CD45RO where the stain is CD45"),
        ("CD45RA", "PTPRC", "ImmPort names the gene PTPRC where the stain is CD45RA"),
        ("CD62L", "SELE", "ImmPort names SELE, here it is SELL"),
        ("CD14/CD3", "hCD14", "ImmPort keeps 1 of 2 targets"),
        ("CXC35", "CXCR3", "not understood here"),
    ],
)
def test_why_names_differ(pns: str, theirs: str, reason: str):
    assert difference(parse_channel("PE-A", pns), pns, theirs) == reason


def test_comparison_table():
    table = compare([("SDY1", "PE-A", "CD62L", "SELE", 3), ("SDY1", "APC-A", "CD4", "", 2)])
    assert list(table["description"]) == ["CD4", "CD62L"]
    assert list(table["immport_name"]) == ["hCD4", "SELE"]
    assert list(table["agrees"]) == [True, False]
    assert genes("hCD3E, hCD19, FITC") == {"CD3E", "CD19"}


STAINS = [Reagent("CD4", "V450"), Reagent("CD44", "APC-Cy7"), Reagent("PD-1", "PE-Cy7"), Reagent("B220", "PE-Cy5")]


@pytest.mark.parametrize(
    ("pnn", "antigen"),
    [
        ("Violet B 450/50-A", "CD4"),
        ("Red A 780/60-A", "CD44"),
        ("Blue A 780/60-A", "PD-1"),
        ("Blue B 670LP-A", "B220"),
        ("Violet A 550\\50-A", ""),
        ("Blue E 530/30-A", ""),
        ("PE-Cy7-A", "PD-1"),
        ("FL1-H", ""),
    ],
)
def test_reagents_by_detector(pnn: str, antigen: str):
    reading = read_reagents(pnn, parse_channel(pnn), STAINS)
    assert reading.antigen == antigen
    assert reading.role == ("marker" if antigen else "detector")


def test_two_reagents_on_one_detector_are_not_chosen_between():
    both = [Reagent("CD69", "Alexa Fluor 488"), Reagent("CCR7", "Alexa Fluor 488")]
    reading = read_reagents("Blue E 530/30-A", parse_channel("Blue E 530/30-A"), both)
    assert (reading.role, reading.alternatives) == ("detector", ("CCR7", "CD69"))


def test_biotin_and_streptavidin_are_one_stain():
    assert through_biotin([Reagent("CXCR5", "Biotin"), Reagent("", "PE")]) == (Reagent("CXCR5", "PE"),)
    assert through_biotin([Reagent("CXCR5", "Biotin"), Reagent("CD8", "Biotin"), Reagent("", "PE")]) == ()


def test_reagents_name_only_files_without_names(tmp_path: Path):
    files = {
        "a.fcs": make(tmp_path, "a.fcs", [("Violet B 450/50-A", ""), ("PE-Cy7-A", ""), ("SSC-A", "")]),
        "b.fcs": make(tmp_path, "b.fcs", [("Violet B 450/50-A", ""), ("PE-Cy7-A", "CD3")]),
    }
    stains = pd.DataFrame(
        [(name, target, dye) for name in files for target, dye in [("CD4", "V450"), ("PD1", "PE-Cy7")]],
        columns=["file_name", "target", "reporter"],
    )
    panel = harmonize(files, reagents=stains).panel.set_index(["file_name", "fcs_colname"])
    assert panel.loc[("a.fcs", "Violet B 450/50-A"), ["antigen", "reporter"]].tolist() == ["CD4", "V450"]
    assert panel.loc[("a.fcs", "Violet B 450/50-A"), "rule"] == "reagent of the sample by laser and filter"
    assert panel.loc[("a.fcs", "PE-Cy7-A"), "antigen"] == "PD-1"
    assert panel.loc[("b.fcs", "Violet B 450/50-A"), "antigen"] == ""


def test_a_channel_with_two_markers(tmp_path: Path):
    common = [("FITC-A", "CD3"), ("APC-A", "CD19"), ("BV421-A", "CD14"), ("BV605-A", "CD56")]
    files = {
        "a.fcs": make(tmp_path, "a.fcs", [*common, ("PE-A", "CD4"), ("PE-Cy7-A", "CD8")]),
        "b.fcs": make(tmp_path, "b.fcs", [*common, ("PE-A", "CD8"), ("PE-Cy7-A", "CD4")]),
        "c.fcs": make(tmp_path, "c.fcs", [*common, ("PE-A", "CD4"), ("PE-Cy7-A", "CD27")]),
    }
    findings = harmonize(files, studies=dict.fromkeys(files, "SDY1")).findings
    assert (
        "channel 'PE-A' of SDY1 measures CD4 in a.fcs and CD8 in b.fcs; check whether one is a slip, and correct it"
        in findings
    )
    assert any("channel 'PE-Cy7-A' of SDY1 measures" in text and "CD27 in c.fcs" in text for text in findings)
    assert sum("'PE-A'" in text for text in findings) == 1


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(group, [*map(str, arguments)])
    return done.exit_code, str(done.exception) if done.exit_code == 1 else done.output


def test_rename_writes_the_names(tmp_path: Path):
    source = make(tmp_path, "a.fcs", [("PE-A", "HLADR PE"), ("Nd142Di", "142Nd_CD19"), ("FSC-A", "")])
    panel, out = tmp_path / "panel.tsv", tmp_path / "out"
    assert run("harmonize", source, "--out", panel, "--panels", tmp_path / "panels.tsv")[0] == 0
    code, said = run("rename", source, "--panel", panel, "--out-dir", out)
    assert (code, said) == (0, "1 files, 2 channels renamed\n")
    written = fcs.open(out / "a.fcs")
    assert written.version == "FCS3.2"
    assert [channel.pns for channel in written.channels] == ["HLA-DR", "CD19", ""]
    assert written.keywords["$P1ANALYTE"] == "HLA-DR"
    assert [written.keywords["$P1TAG"], written.keywords["$P2TAG"]] == ["PE", "142Nd"]
    assert written.keywords["ICYTO_P1REPORTED"] == "HLADR PE"
    np.testing.assert_array_equal(written.events(), fcs.open(source).events())


def test_rename_refuses_the_panel_of_another_file(tmp_path: Path):
    source = make(tmp_path, "a.fcs", [("PE-A", "CD4")])
    other = make(tmp_path, "b.fcs", [("PE-A", "CD4")])
    panel, out = tmp_path / "panel.tsv", tmp_path / "out"
    assert run("harmonize", source, "--out", panel, "--panels", tmp_path / "panels.tsv")[0] == 0
    code, said = run("rename", other, "--panel", panel, "--out-dir", out)
    assert (code, said) == (1, "b.fcs is not in panel.tsv; harmonise the panels of all files first")
    table = tables.read(panel, tables.PANEL)
    table["fcs_colname"] = "APC-A"
    tables.write(table, panel, tables.PANEL)
    code, said = run("rename", source, "--panel", panel, "--out-dir", out)
    assert (code, said) == (1, "a.fcs: channel 1 is not 'APC-A'; harmonise the panel of this file again")
    assert not (out / "a.fcs").exists()


def test_immport_names_need_the_package(tmp_path: Path):
    source = make(tmp_path, "a.fcs", [("PE-A", "CD4")])
    code, said = run(
        "harmonize", source, "--out", tmp_path / "p.tsv", "--panels", tmp_path / "s.tsv",
        "--immport-names", tmp_path / "n.tsv",
    )  # fmt: skip
    assert code == 2
    assert "--immport-names needs the package: add --metadata" in said
