"""The forms of a template: what is read, what is noted, and that nothing is lost on the way."""

import json
import zipfile
from io import BytesIO

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto.exceptions import OptionError, PackageError, TableError
from immport_cyto.immport import templates
from immport_cyto.immport.templates import Filled, definitions
from immport_cyto.immport.templates.members import Member
from immport_cyto.immport.templates.reading import read_sheet
from support import upload_package as upload

HEAD = "protocols\tSchema Version 3.33\nPlease do not delete or edit this column\n"
COLUMNS = "Column Name\tUser Defined ID\tFile Name\tName\tDescription\tType\n"
ROW = "\tp-1\tp.pdf\tStaining\t\tAssay\n"


def validated(tmp_path, content, name="protocols.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return templates.validate(path, look_for_files=False, privacy=False)


def brief(report):
    return [(f.row, f.column, f.severity, f.rule) for f in report.findings]


# what comes back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_a_package_comes_back_as_it_was(tmp_path, form, suffix):
    package = upload.package()
    target = tmp_path / f"package{suffix}"
    written = templates.write(list(package.values())[::-1], target, form=form)
    back = templates.read(target)
    assert [one.name for one in back] == list(package)  # in loading order, whatever the order given
    for one in back:
        for block, frame in package[one.name].blocks.items():
            kept = frame.loc[:, [bool((frame[c] != "").any()) for c in frame]] if len(frame) else frame.iloc[:, :0]
            found = one.blocks.get(block, pd.DataFrame())
            assert list(found.reindex(columns=kept.columns).to_dict("records")) == kept.to_dict("records")
            assert not [c for c in found if c not in frame and (found[c] != "").any()]
    if suffix:
        with zipfile.ZipFile(target) as archive:
            assert archive.namelist() == written
        first = target.read_bytes()
        templates.write(package.values(), target, form=form)
        assert target.read_bytes() == first


@pytest.mark.parametrize("schema", definitions.versions())
@pytest.mark.parametrize("form", ["text", "json"])
def test_every_template_can_be_written_read_and_validated(tmp_path, schema, form):
    templates.write([templates.empty(name, schema) for name in templates.names()], tmp_path, form=form)
    assert [one.name for one in templates.read(tmp_path)] == list(templates.names())
    report = templates.validate(tmp_path)
    assert {f.rule for f in report.findings} <= {"no-rows", "schema-version"}
    assert len(report.files) == 61


@pytest.mark.parametrize("name", templates.names())
def test_a_filled_row_of_every_template_comes_back_in_both_forms(tmp_path, name):
    """Each column of each template holds a value that it may hold, in two groups of results where there are such."""
    base = templates.empty(name)
    blocks = {}
    for block in base.template.blocks:
        columns = {}
        for column in base.blocks[block.name].columns:
            bare = column.removesuffix(" [1]")
            part = "result" if column not in [c.name for c in block.part("meta")] else "meta"
            definition = next(c for c in block.part(part) if c.name == bare)
            values = {"number": "1.5", "positive": "2", "amount": "3"}.get(definition.kind, f"{bare} x")
            columns[column] = [f"{values};y" if definition.is_list else values]
        extra = block.part("result")
        columns |= {f"{c.name} [2]": columns.get(c.name, columns.get(f"{c.name} [1]")) for c in extra}
        blocks[block.name] = pd.DataFrame(columns, dtype=object)
    for form in ("text", "json"):
        templates.write(Filled(name, blocks), tmp_path / form, form=form)
        (back,) = templates.read(tmp_path / form)
        for block, frame in blocks.items():
            assert back.blocks[block].to_dict("records") == frame.to_dict("records"), (form, block)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30)


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_any_text_comes_back(values):
    kept = [" ".join(v.split()) for v in values]
    kept = [v for v in kept if v and v[0] not in '=@+-"' and v.strip() == v]
    if not kept:
        return
    frame = pd.DataFrame({"User Defined ID": [f"p{i}" for i in range(len(kept))], "Name": kept}, dtype=object)
    one = Filled("protocols", {"": frame})
    for text, name in ((templates.writing.to_text(one), "protocols.txt"), (templates.writing.to_json(one), "p.json")):
        sheet = read_sheet(Member(name, lambda text=text: BytesIO(text.encode())))
        assert sheet.grids[0].values("Name") == kept


@given(st.binary(max_size=400), st.sampled_from(["protocols.txt", "protocols.csv", "protocols.json"]))
def test_no_bytes_make_reading_fail(content, name):
    for prefix in (b"", HEAD.encode(), (HEAD + COLUMNS).encode(), b"basic_study_design\tSchema Version 3.33\nx\n\n"):
        sheet = read_sheet(Member(name, lambda p=prefix: BytesIO(p + content)))
        assert all(f.message and f.rule for f in sheet.findings)
        for grid in sheet.grids:
            assert {len(column) for column in grid.data} <= {len(grid)}


# the head -------------------------------------------------------------------------------------------------------------


def as_commas(text):
    return "\n".join(",".join(f'"{c}"' if "," in c else c for c in line.split("\t")) for line in text.split("\n"))


HEADS = [
    ("as it should be", HEAD + COLUMNS + ROW, []),
    ("another name", HEAD.replace("protocols", "protcols") + COLUMNS + ROW, [(1, "", "error", "template-name")]),
    ("of another file", HEAD.replace("protocols", "treatments") + COLUMNS, [(1, "", "warning", "template-name")]),
    ("no version", HEAD.replace("\tSchema Version 3.33", "") + COLUMNS + ROW, [(1, "", "error", "schema-version")]),
    ("newer", HEAD.replace("3.33", "3.40") + COLUMNS + ROW, [(1, "", "warning", "schema-version")]),
    ("older", HEAD.replace("3.33", "3.20") + COLUMNS + ROW, []),
    ("no notice", HEAD.split("\n")[0] + "\n" + COLUMNS + ROW, [(2, "", "error", "header-line")]),
    ("a blank line for a notice", as_commas(HEAD.split("\n")[0] + "\n\n" + COLUMNS + ROW),
     [(2, "", "error", "header-line")]),
    ("notice and more", HEAD[:-1] + "\tThe protocol ...\n" + COLUMNS + ROW, []),
    ("no column names", HEAD, [(3, "", "error", "header-line")]),
    ("no first name", HEAD + COLUMNS.replace("Column Name\t", "") + ROW, [(3, "", "error", "header-line")]),
    ("misspelt column", HEAD + COLUMNS.replace("Type", "Tipe") + ROW,
     [(3, "Tipe", "error", "column-unknown"), (3, "Type", "warning", "column-missing")]),
    ("missing column", HEAD + COLUMNS.replace("\tFile Name", "") + ROW.replace("\tp.pdf", ""),
     [(3, "File Name", "error", "column-missing")]),
    ("column in other letters", HEAD + COLUMNS.replace("File Name", "file name") + ROW,
     [(3, "File Name", "warning", "column-name")]),
    ("column twice", HEAD + COLUMNS.replace("Description", "Name") + ROW,
     [(3, "Name", "error", "column-duplicate"), (3, "Description", "warning", "column-missing")]),
    ("columns in another order", HEAD + "Column Name\tType\tName\tFile Name\tUser Defined ID\tDescription\n"
     "\tAssay\tStaining\tp.pdf\tp-1\n", []),
    ("shifted row", HEAD + COLUMNS + "p-1\tp.pdf\tStaining\t\tAssay\n", [(4, "", "error", "first-cell")]),
    ("long row", HEAD + COLUMNS + ROW[:-1] + "\tmore\n", [(4, "", "error", "row-cells")]),
    ("empty cells at the end", HEAD + COLUMNS[:-1] + "\t\t\n" + ROW[:-1] + "\t\t\t\n\n\t\t\n", []),
    ("quotes of a spreadsheet", HEAD + COLUMNS + ROW.replace("Staining", '"Staining ""A"""'),
     [(4, "", "warning", "quotes")]),
    ("broken quotes", HEAD + COLUMNS + ROW.replace("Staining", '"Staining'), [(4, "", "error", "quotes")]),
    ("formula", HEAD + COLUMNS + ROW.replace("Staining", "=cmd()"), [(4, "Name", "warning", "formula")]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), [c[1:] for c in HEADS], ids=[c[0] for c in HEADS])
def test_heads_and_rows(tmp_path, content, expected):
    report = validated(tmp_path, content)
    assert [b for b in brief(report) if b[3] != "column-unknown" or b in expected][: len(expected)] == expected
    if not expected:
        assert report.findings == []
        assert report.files[0].rows == 1


def test_a_column_of_a_newer_schema_is_no_error(tmp_path):
    """It may be what an older one is called now; where nothing is new, what is missing is missing."""
    gone = validated(tmp_path, HEAD.replace("3.33", "3.40") + COLUMNS.replace("\tName", "") + "\tp-1\tp.pdf\t\tAssay\n")
    assert [(f.column, f.rule) for f in gone.errors] == [("Name", "column-missing")]
    content = HEAD.replace("3.33", "3.40") + COLUMNS.replace("Type", "Type Reported") + ROW
    report = validated(tmp_path, content)
    assert report.errors == []
    assert ("Type Reported", "column-unknown") in {(f.column, f.rule) for f in report.warnings}


def test_several_schema_versions_side_by_side(tmp_path):
    """Experiments have a hypothesis in 3.20, and none in 3.33."""
    head = "experiments\tSchema Version {}\nPlease do not delete or edit this column\n"
    columns = [c.name for c in definitions.template("experiments", "3.20").blocks[0].columns]
    text = head + "\t".join(["Column Name", *columns]) + "\n"
    assert "Hypothesis" in columns
    old = validated(tmp_path, text.format("3.20"), "experiments.txt")
    new = validated(tmp_path, text.format("3.33"), "experiments.txt")
    assert "column-unknown" not in {f.rule for f in old.findings}
    assert [(f.column, f.rule) for f in new.errors] == [("Hypothesis", "column-unknown")]
    between = validated(tmp_path, text.format("3.27"), "experiments.txt")
    assert [f.message for f in between.findings if f.rule == "schema-version"] == [
        "schema 3.27 is read by the definitions of 3.20, the nearest known"
    ]


# other forms and hostile input ----------------------------------------------------------------------------------------


def test_commas_instead_of_tabs(tmp_path):
    report = validated(tmp_path, as_commas(HEAD + COLUMNS + ROW.replace("Staining", "Staining, then wash")), "p.csv")
    assert report.findings == []
    assert report.files[0].form == "csv"
    broken = validated(tmp_path, as_commas(HEAD + COLUMNS) + ',p-1,"p.pdf" x,Name,,\n', "protocols.csv")
    assert (4, "", "error", "quotes") in brief(broken)


def test_semicolons_instead_of_tabs_and_any_suffix(tmp_path):
    text = (HEAD + COLUMNS + ROW).replace("\t", ";")
    report = validated(tmp_path, text, "dataset_12.dat")
    assert report.findings == []
    assert [(one.template, one.form, one.rows) for one in report.files] == [("protocols", "csv", 1)]


def test_too_many_rows(tmp_path):
    report = validated(tmp_path, HEAD + COLUMNS + "\n" * 1_000_000)
    assert [(f.rule, f.message) for f in report.findings] == [
        ("form", "more than 1000000 rows, which no template has; split the file")
    ]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends(tmp_path, end):
    report = validated(tmp_path, (HEAD + COLUMNS + ROW).replace("\n", end))
    assert report.findings == []
    assert report.files[0].rows == 1


def test_encodings(tmp_path):
    text = HEAD + COLUMNS + ROW.replace("Staining", "F\u00e4rbung")
    assert validated(tmp_path, text.encode("utf-8-sig")).findings == []
    assert brief(validated(tmp_path, text.encode("cp1252"))) == [(4, "", "warning", "encoding")]
    assert brief(validated(tmp_path, text.encode("utf-16"))) == [(None, "", "error", "encoding")]
    nul = validated(tmp_path, text.replace("Assay", "As\0say").encode())
    assert brief(nul) == [(4, "", "error", "encoding")]


def test_json_that_is_none(tmp_path):
    cases = {
        '{"name": "protocols"': "form", "[1, 2]": "form",
        '{"name": "protcols", "schemaVersion": "3.33"}': "template-name",
        '{"name": "protocols", "data": []}': "schema-version",
        '{"name": "protocols", "schemaVersion": "3.33", "data": [1]}': "form",
        '{"name": "protocols", "schemaVersion": "3.33", "data": [{"userDefinedId": {"a": 1}}]}': "type",
        '{"name": "protocols", "schemaVersion": "3.33", "data": [{"userDefinedID": "p"}]}': "column-unknown",
        '{"name": "basic_study_design", "schemaVersion": "3.33", "data": {"studie": {}}}': "block-name",
        "[" * 100_000: "form",
    }  # fmt: skip
    for text, rule in cases.items():
        assert rule in {f.rule for f in validated(tmp_path, text, "protocols.json").errors}, text[:80]


def test_a_spreadsheet_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "protocols.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    (finding,) = templates.validate(tmp_path / "protocols.xlsx").findings
    assert (finding.rule, finding.message) == (
        "form", "a spreadsheet cannot be read here; save it as tab-separated text",
    )  # fmt: skip


def test_archives_that_must_not_be_trusted(tmp_path):
    slip = tmp_path / "slip.zip"
    with zipfile.ZipFile(slip, "w") as archive:
        archive.writestr("../protocols.txt", HEAD)
    with pytest.raises(PackageError, match="unsafe path"):
        templates.validate(slip)
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("protocols.txt", HEAD + " " * (40 << 20))
    with pytest.raises(PackageError, match="like a zip bomb; not loaded"):
        templates.validate(bomb)
    damaged = tmp_path / "damaged.zip"
    templates.write(templates.empty("protocols"), damaged)
    content = bytearray(damaged.read_bytes())
    content[50:60] = b"\xff" * 10
    damaged.write_bytes(bytes(content))
    with pytest.raises(PackageError, match="cannot be unpacked"):
        templates.validate(damaged)


def test_a_table_of_a_tab_package_is_no_template(tmp_path):
    (tmp_path / "other.txt").write_text("A\tB\n1\t2\n")
    (tmp_path / "treatment.txt").write_text("TREATMENT_ACCESSION\tNAME\nTRT1\tx\n")
    with pytest.raises(PackageError, match="no upload template in it"):
        templates.validate(tmp_path)


# compound templates ---------------------------------------------------------------------------------------------------

COMPOUND = """basic_study_design\tSchema Version 3.33
Please do not delete or edit this column
Column Name


study
User Defined ID\tstudy-1
Brief Title\tTitle

study_2_condition_or_disease
Condition Reported\tasthma\tmalaria

planned_visit
User Defined ID\tName\tOrder Number\tMin Start Day
visit-1\tDay 0\t1\t0
visit-2\tDay 7\t2\t7

visit-3\tDay 14\t3\t14

nonsense_block
Name\tValue
"""


def test_blocks_are_read_in_their_own_ways(tmp_path):
    path = tmp_path / "basic_study_design.txt"
    path.write_text(COMPOUND)
    (one,) = templates.read(path)
    assert one.blocks["study"].to_dict("records") == [{"User Defined ID": "study-1", "Brief Title": "Title"}]
    assert one.blocks["study_2_condition_or_disease"]["Condition Reported"].tolist() == ["asthma", "malaria"]
    assert one.blocks["planned_visit"]["Name"].tolist() == ["Day 0", "Day 7", "Day 14"]
    report = templates.validate(path, privacy=False)
    (stray,) = [f for f in report.errors if f.rule == "block-name"]
    assert (stray.row, stray.message) == (20, "'nonsense_block' is no block of the template; what follows is not read")
    missing = {f.block for f in report.errors if f.rule == "block-missing"}
    assert missing == {
        "study_categorization", "arm_or_cohort", "study_personnel", "inclusion_exclusion", "study_2_protocol",
    }  # fmt: skip
    title = [f for f in report.errors if f.column == "Official Title"]
    assert [(f.block, f.rule) for f in title] == [("study", "column-missing")]


def test_a_block_with_an_unknown_name(tmp_path):
    path = tmp_path / "basic_study_design.txt"
    path.write_text("basic_study_design\tSchema Version 3.33\nPlease do not delete or edit this column\n\nstudys\n")
    report = templates.validate(path, privacy=False)
    (finding,) = [f for f in report.findings if f.rule == "block-name"]
    assert (finding.row, finding.suggestion) == (4, "study")


# writing --------------------------------------------------------------------------------------------------------------


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(OptionError, match=r"'bioSampels' is no template of ImmPort; did you mean 'biosamples'\?"):
        templates.empty("bioSampels")
    frame = pd.DataFrame({"Nome": ["x"]})
    with pytest.raises(TableError, match=r"protocols.txt: 'Nome' is not a column of the template"):
        templates.write(Filled("protocols", {"": frame}), tmp_path)
    for cell in ("=1+1", "@x", "+cmd", "-x"):
        with pytest.raises(TableError, match="would run as a formula in a spreadsheet"):
            templates.write(Filled("protocols", {"": pd.DataFrame({"Name": [cell]})}), tmp_path)
    with pytest.raises(PackageError, match="two templates of this name"):
        templates.write([templates.empty("protocols"), templates.empty("protocols")], tmp_path)
    with pytest.raises(PackageError, match="no such file; check --attach"):
        templates.write(templates.empty("protocols"), tmp_path, attach=[tmp_path / "none.pdf"])
    assert list(tmp_path.iterdir()) == []


def test_cells_are_written_plainly(tmp_path):
    frame = pd.DataFrame({
        "User Defined ID": ["a\tb\nc", None], "Min Start Day": [7.0, float("nan")], "Order Number": [1, pd.NA],
        "Name": ["-3", "1.50"],
    })  # fmt: skip
    design = templates.empty("basic_study_design")
    design.blocks["planned_visit"] = frame
    text = templates.writing.to_text(design)
    block = text.split("planned_visit\n")[1].split("\n\n")[0].split("\n")
    assert block == [
        "User Defined ID\tName\tOrder Number\tMin Start Day\tMax Start Day\tStart Rule\tEnd Rule",
        "a b c\t-3\t1\t7\t\t\t",
        "\t1.50\t\t\t\t\t",
    ]
    data = json.loads(templates.writing.to_json(design))["data"]["plannedVisit"]
    assert data == [{"userDefinedId": "a b c", "name": "-3", "orderNumber": 1, "minStartDay": 7}, {"name": "1.50"}]
