"""Templates against ImmPort's own definitions and against what ImmPort has curated and shared."""

import json
import re
import runpy
import zipfile
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest

from immport_cyto import immport
from immport_cyto.immport import templates
from immport_cyto.immport.templates import Filled, definitions

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def data(shared_data: Path) -> Path:
    return shared_data / "immport"


@pytest.fixture(scope="module")
def originals(data: Path) -> list[dict]:
    return json.loads((data / "templates.json").read_text(encoding="utf-8"))


def test_the_definitions_are_those_that_the_script_makes(root, shared_data, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("IMMPORT_CYTO_SHARED", str(shared_data.parent))
    main = runpy.run_path(str(root / "scripts" / "make_templates.py"))["main"]
    main.__globals__["TARGET"] = tmp_path
    main()
    folder = root / "lib" / "immport_cyto" / "immport" / "templates" / "data"
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in folder.glob("*.tsv")}


def test_every_column_of_every_template(originals) -> None:
    """Names, order, JSON names, vocabularies and references of schema 3.20, read a second time from the original."""
    assert {one["name"] for one in originals} == set(definitions.names())
    n_columns = 0
    for original in originals:
        found = definitions.template(original["name"], "3.20")
        assert (found.schema, found.file, found.kind) == ("3.20", original["fileName"], original["templateType"])
        parts = original.get("templates") or [original]
        for block, part in zip(found.blocks, parts, strict=True):
            expected = [
                (c["templateColumn"], c["jsonAttribute"], c["cvTableName"] or "", c["pvTableName"] or "",
                 c["jsonDataType"] == "array")
                for c in part["columns"]
            ]  # fmt: skip
            assert [(c.name, c.json, c.vocabulary, c.preferred, c.is_list) for c in block.columns] == expected
            for column, c in zip(block.columns, part["columns"], strict=True):
                n_columns += 1
                assert column.required or bool(column.when) or not (c["required"] or c["conditionalRequired"])
                if c["foreignKey"]:
                    assert column.references == c["foreignKeyTableName"]
                length = re.fullmatch(r"varchar\((\d+)\)", c["columnType"] or "")
                if length and column.kind == "text" and not (c["foreignKey"] or c["combinedColumn"]):
                    assert column.length == int(length[1])
    assert n_columns == 1014


def test_the_columns_of_the_newer_schema(data) -> None:
    """The pages of schema 3.33, read a second time: what is required there is required here."""
    pages = [path for path in (data / "template_rules").glob("*.md") if path.stem != "index"]
    assert len(pages) == 14
    for path in pages:
        name = definitions.find_file(path.stem)
        found = definitions.template(name, "3.33")
        assert (found.name, found.schema) == (name, "3.33")
        text = path.read_text(encoding="utf-8")
        required = set(re.findall(r"^\| (\w+) \| yes \|", text, flags=re.MULTILINE))
        listed = "".join(re.findall(r"### Template Columns\n(.*?)\n###", text, flags=re.DOTALL))
        named = dict(re.findall(r"^\| ([^|]+?) \| ([a-z_.0-9]+) \|", listed, flags=re.MULTILINE))
        assert len(named) >= 4
        names = {c.name for b in found.blocks for c in b.columns if c.required}
        missing = {column for column, data_row in named.items() if data_row in required} - names
        assert missing == set(), path.name


def test_vocabularies(data) -> None:
    lookups = json.loads((data / "lookups.json").read_text(encoding="utf-8"))
    assert len(lookups) == 45
    for lookup in lookups:
        found = definitions.vocabulary(lookup["name"])
        terms = [" ".join(row["name"].split()) for row in lookup["rows"]]
        assert set(found.terms) <= set(terms)
        assert 0 <= len(terms) - len(found.terms) <= 1  # the names of the columns are no term
        assert all(found.find(term.upper()) for term in found.terms)


# what is curated has no wrong values ----------------------------------------------------------------------------------

COLUMNS = {
    "biosamples": (
        "biosample",
        {"User Defined ID": "BIOSAMPLE_ACCESSION", "Subject ID": "SUBJECT_ACCESSION", "Study ID": "STUDY_ACCESSION",
         "Planned Visit ID": "PLANNED_VISIT_ACCESSION"},
    ),
    "experiments": ("experiment", {"User Defined ID": "EXPERIMENT_ACCESSION", "Study ID": "STUDY_ACCESSION"}),
    "fcm_derived_data": (
        "fcs_analyzed_result",
        {"Expsample ID": "EXPSAMPLE_ACCESSION", "Gating Definition Reported": "POPULATION_DEFNITION_REPORTED",
         "Population Statistic (count, percentile, etc)": "POPULATION_STATISTIC_REPORTED"},
    ),
}  # fmt: skip


def table(package: Path, name: str) -> pd.DataFrame:
    with zipfile.ZipFile(package) as archive:
        member = next((m for m in archive.namelist() if m.rsplit("/", 1)[-1] == f"{name}.txt"), None)
        if member is None:
            return pd.DataFrame()
        return pd.read_csv(BytesIO(archive.read(member)), sep="\t", dtype=str, na_filter=False, quoting=3)


def as_template(name: str, frame: pd.DataFrame, named: dict[str, str]) -> Filled:
    base = templates.empty(name)
    columns = {c: named.get(c, re.sub(r"\W+", "_", c).strip("_").upper()) for c in base.frame}
    found = {c: frame[source] if source in frame else [""] * len(frame) for c, source in columns.items()}
    return Filled(base.name, {"": pd.DataFrame(found, dtype=object)}, base.schema)


@pytest.mark.parametrize(
    ("study", "rows"),
    [("SDY144-DR28", 8823), ("SDY180-DR29", 1638), ("SDY364-DR29", 9049), ("SDY372-DR29", 8325),
     ("SDY404-DR29", 818), ("SDY514-DR32", 8767)],
)  # fmt: skip
def test_shared_studies_as_templates(data, tmp_path, study, rows) -> None:
    """Values that ImmPort accepted and curated: none breaks a vocabulary, a kind or a length."""
    package = data / "tab" / f"{study}_Tab.zip"
    filled = [as_template(name, table(package, source), named) for name, (source, named) in COLUMNS.items()]
    templates.write([one for one in filled if len(one.frame)], tmp_path)
    report = templates.validate(tmp_path, look_for_files=False)
    assert sum(file.rows for file in report.files) == rows
    # not in the tables: protocols of the experiment, file of the workspace, subtypes of older samples
    assert {(f.rule, f.column) for f in report.errors} <= {
        ("required", "Protocol ID(s)"), ("required", "Workspace File"), ("conditional", "Subtype"),
    }  # fmt: skip
    assert {f.rule for f in report.warnings} <= {
        "preferred", "preferred-case", "check-population-markers", "foreign-key-unchecked", "privacy-date",
        "privacy-identifier", "row-twice", "check-statistic",
    }  # fmt: skip


def test_published_results_as_derived_data(data, tmp_path) -> None:
    """Amounts of SDY144 go out as they came in: 8,508 values in cells per microlitre."""
    store = immport.open_store()
    store.load(data / "tab" / "SDY144-DR28_Tab.zip")
    results = store.results()
    (flow,) = templates.derived_data(results.populations, "gates.wsp", samples=results.samples)
    left = sum(int(re.findall(r": (\d+) rows", note)[0]) for note in flow.notes)
    assert len(flow.frame) + left == 8508
    assert set(flow.frame["Population Stat Unit Reported"]) == {"cells/ul"}
    templates.write(flow, tmp_path)
    report = templates.validate(tmp_path, look_for_files=False)
    assert report.errors == []
    (back,) = templates.read(tmp_path)
    assert back.frame.astype(str).equals(flow.frame.astype(str))


def test_privacy_of_shared_packages(data) -> None:
    """ImmPort keeps its rules in demographics and biosamples; dates stay in names of files and in FCS headers."""
    found = {}
    for package in sorted((data / "tab").glob("*.zip")):
        report = templates.check_privacy(package)
        for finding in report.findings:
            key = finding.file.rsplit("/", 1)[-1], finding.rule
            found[key] = found.get(key, 0) + 1
    assert {rule for _, rule in found} == {"privacy-file-name", "privacy-fcs-keyword"}
    assert {file for file, _ in found} <= {"file_info.txt", "fcs_header.txt", "study_file.txt", "protocol.txt"}
