"""A list in parts, a job for each part: the names stay, and a damaged file does not stop the others."""

from pathlib import Path

import pytest

from support.galaxy_api import Session

pytestmark = pytest.mark.galaxy
ROOT = Path(__file__).parents[2]
DATA = ROOT / "test-data"
FILE = "D1_002_backbone.99010002.fcs"
MODEL = "SDY9901-flow-12m-57016e.npz"
NAMES = [f"file {number}/γ.fcs" for number in range(11)]
# as docs/administrators.md has them: ten files to a part, and one list again
APART = {
    "rules": [
        {"type": "add_column_metadata", "value": "identifier0"},
        {"type": "add_column_rownum", "start": 0},
        {
            "type": "add_column_regex", "target_column": 1, "expression": r"^(\d*?)\d$", "replacement": r"part 0\1",
            "group_count": None,
        },
    ],
    "mapping": [{"type": "list_identifiers", "columns": [2, 0]}],
}  # fmt: skip
TOGETHER = {
    "rules": [{"type": "add_column_metadata", "value": "identifier1"}],
    "mapping": [{"type": "list_identifiers", "columns": [0]}],
}
# tool, where its input is, the file, more inputs, datasets among them, its list
TOOLS = {
    "events_preprocess": ("", "raw", {"with_figures": False}, {}, "events_list"),
    "events_gate": ("", "raw", {"kept|choice": "yes", "kept|keep": "Cells"}, {"gates": "gates.xml"}, "events_list"),
    "fcs_convert": ("way|", "raw", {"way|choice": "from_fcs"}, {}, "converted_list"),
    "fcs_split": ("", "raw", {"way|choice": "events", "way|events": 400}, {}, "parts_list"),
    "panel_rename": ("", "raw", {}, {"panel": "panel"}, "renamed_list"),
    "cluster_map": ("", "events", {}, {"models": f"models/{MODEL}"}, "clustered_list"),
    "cluster_flock_map": ("", "events", {}, {"known|models": f"flock/{MODEL}"}, "mapped_list"),
}


@pytest.fixture(scope="module")
def session(galaxy):
    return Session(galaxy, "Parts")


@pytest.fixture(scope="module")
def parts(session):
    """Lists of lists of the same file under many names, and one that is damaged: raw, and preprocessed."""
    damaged = session.upload(DATA / "galaxy/samples.tsv", ext="fcs", name="damaged.fcs")
    made = {}
    for kind, folder in (("raw", "SDY9901/ResultFiles/Flow_cytometry_result"), ("events", "galaxy/events")):
        listed = session.build_list(session.upload(DATA / folder / FILE, ext="fcs"), NAMES, {"damaged.fcs": damaged})
        rules = {"input": {"src": "hdca", "id": listed}, "rules": APART}
        made[kind] = session.run_over("__APPLY_RULES__", rules)["output"]
    return made


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """panel.tsv of the files under their names."""
    lines = (DATA / "galaxy/panel.tsv").read_text().splitlines(keepends=True)
    rows = [line.replace(FILE, name, 1) for name in NAMES for line in lines if line.startswith(f"{FILE}\t")]
    path = tmp_path_factory.mktemp("panel") / "panel.tsv"
    path.write_text("".join([lines[0], *rows]))
    return path


def test_parts_keep_the_names(session, parts):
    assert [(one["element_identifier"], one["object"]["element_count"]) for one in session.elements(parts["raw"])] == [
        ("part 0", 10), ("part 01", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_a_job_takes_a_part_and_leaves_out_what_is_damaged(session, parts, panel, tool):
    where, kind, more, data, output = TOOLS[tool]
    inputs = {f"{where}input|{key}": value for key, value in {"per": "list", "failing": "left_out"}.items()}
    inputs |= {key if "|" in key or key != "with_figures" else f"input|{key}": value for key, value in more.items()}
    for key, file in data.items():
        path = panel if file == "panel" else DATA / "galaxy" / file
        inputs[key] = {
            "src": "hda",
            "id": session.upload(path, ext={".npz": "npz", ".xml": "xml"}.get(path.suffix, "tabular")),
        }
    inputs[f"{where}input|fcs"] = {
        "batch": True,
        "values": [{"src": "hdca", "id": parts[kind], "map_over_type": "list"}],
    }
    made = session.run_over(f"immport_cyto_{tool}", inputs)
    found = [
        [element["element_identifier"] for element in part["object"]["elements"]]
        for part in session.elements(made[output])
    ]
    assert [name for part in found for name in part] == NAMES
    assert len(found) == 2
    failures = [session.content(one["object"]["id"]).splitlines()[1:] for one in session.elements(made["failures"])]
    assert [len(rows) for rows in failures] == [0, 1]
    assert failures[1][0].startswith("damaged.fcs\t\t")
    if output == "events_list":
        rules = {"input": {"src": "hdca", "id": made[output]}, "rules": TOGETHER}
        flat = session.run_over("__APPLY_RULES__", rules)["output"]
        assert [one["element_identifier"] for one in session.elements(flat)] == NAMES
    if "qc" in made:
        counts = "".join(session.content(one["object"]["id"]) for one in session.elements(made["qc"]))
        assert [counts.count(f"\n{name}\t650\t") for name in NAMES] == [1] * len(NAMES)


def test_the_tests_know_all_tools_that_take_parts():
    found = {path.stem for path in (ROOT / "tools").glob("*.xml") if 'macro="shard_input"' in path.read_text()}
    assert found == set(TOOLS)
