"""A list in parts, a job for each part: the names stay, and a damaged file does not stop the others."""

from pathlib import Path

import pytest

from support.galaxy_api import Session

pytestmark = pytest.mark.galaxy
ROOT = Path(__file__).parents[2]
FCS = ROOT / "test-data/SDY9901/ResultFiles/Flow_cytometry_result/D1_002_backbone.99010002.fcs"
NAMES = [f"file {number}.fcs" for number in range(11)]
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


def test_parts_keep_the_names_and_leave_out_what_is_damaged(galaxy):
    session = Session(galaxy, "Parts")
    damaged = session.upload(ROOT / "test-data/galaxy/samples.tsv", ext="fcs", name="damaged.fcs")
    listed = session.build_list(session.upload(FCS, ext="fcs"), NAMES, {"damaged.fcs": damaged})
    parts = session.run_over("__APPLY_RULES__", {"input": {"src": "hdca", "id": listed}, "rules": APART})["output"]
    assert [(one["element_identifier"], one["object"]["element_count"]) for one in session.elements(parts)] == [
        ("part 0", 10), ("part 01", 2),
    ]  # fmt: skip
    over = {"batch": True, "values": [{"src": "hdca", "id": parts, "map_over_type": "list"}]}
    made = session.run_over(
        "immport_cyto_events_preprocess",
        {"input|per": "list", "input|failing": "left_out", "input|with_figures": False, "input|fcs": over},
    )
    assert set(made) == {"events_list", "qc", "failures"}
    counts = "".join(session.content(one["object"]["id"]) for one in session.elements(made["qc"]))
    assert [counts.count(f"\n{name}\t650\t") for name in NAMES] == [1] * len(NAMES)
    failures = [session.content(one["object"]["id"]).splitlines()[1:] for one in session.elements(made["failures"])]
    assert [len(rows) for rows in failures] == [0, 1]
    assert failures[1][0].startswith("damaged.fcs\t\tpreprocess\t")
    flat = session.run_over(
        "__APPLY_RULES__", {"input": {"src": "hdca", "id": made["events_list"]}, "rules": TOGETHER}
    )["output"]
    assert [one["element_identifier"] for one in session.elements(flat)] == NAMES
