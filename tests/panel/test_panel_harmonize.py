"""Files to panels: the tables, the findings, the corrections."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immport_cyto import fcs, tables
from immport_cyto.exceptions import PanelError, TableError
from immport_cyto.panel import harmonize, read_corrections, write_corrections

FLOW = [("FSC-A", ""), ("PE-A", "CD3"), ("FITC-A", "HLADR"), ("APC-A", "CD4"), ("BV421-A", "CD45-RA"), ("Time", "")]
CYTOF = [
    ("Time", ""),
    ("Event_length", ""),
    ("Nd142Di", "142Nd_CD19"),
    ("Sm149Di", "CD4"),
    ("Er170Di", "CD3"),
    ("Ir191Di", "DNA1"),
]


def make(folder: Path, name: str, channels: list[tuple[str, str]]) -> Path:
    path = folder / name
    values = np.ones((5, len(channels)), dtype=np.float32)
    fcs.write(path, values, channels, {"$CYT": "test"})
    return path


def test_rows_of_one_file(tmp_path: Path):
    result = harmonize({"a.fcs": make(tmp_path, "a.fcs", FLOW)})
    panel = result.panel
    assert list(panel["channel_number"]) == [1, 2, 3, 4, 5, 6]
    assert list(panel["antigen"]) == ["", "CD3", "HLA-DR", "CD4", "CD45RA", ""]
    assert list(panel["role"]) == ["scatter", "marker", "marker", "marker", "marker", "time"]
    assert list(panel["description"].str.strip()) == ["", "CD3", "HLADR", "CD4", "CD45-RA", ""]
    assert list(panel["marker_class"]) == ["none", "type", "type", "type", "type", "none"]
    assert list(panel["reporter"]) == ["", "PE", "FITC", "APC", "BV421", ""]
    assert result.findings == []
    assert result.failures.empty
    row = result.panels.iloc[0]
    assert (row["technique"], row["n_files"], row["n_markers"], row["markers"]) == (
        "Flow cytometry",
        1,
        4,
        "CD3;CD4;CD45RA;HLA-DR",
    )


def test_panel_id_ignores_order_and_spelling(tmp_path: Path):
    other = [("FITC-A", "CD45RA FITC"), ("SSC-A", ""), ("PE-A", "HLA-DR"), ("APC-A", "cd4"), ("BV605-A", "CD3e")]
    files = {"a.fcs": make(tmp_path, "a.fcs", FLOW), "b.fcs": make(tmp_path, "b.fcs", other)}
    result = harmonize(files)
    assert len(result.panels) == 1
    assert set(result.panel["panel_id"]) == {"flow-4m-" + result.panels["panel_id"][0][-6:]}
    assert result.panels["n_files"][0] == 2
    again = harmonize(dict(reversed(files.items())))
    pd.testing.assert_frame_equal(result.panel, again.panel)


def test_panel_id_is_the_documented_hash(tmp_path: Path):
    import hashlib

    result = harmonize({"a.fcs": make(tmp_path, "a.fcs", FLOW)})
    digest = hashlib.sha256(b"flow\nCD3\nCD4\nCD45RA\nHLA-DR").hexdigest()[:6]
    assert result.panels["panel_id"][0] == f"flow-4m-{digest}"


def test_two_studies_and_techniques(tmp_path: Path):
    files = {"a.fcs": make(tmp_path, "a.fcs", FLOW), "c.fcs": make(tmp_path, "c.fcs", CYTOF)}
    result = harmonize(files, studies={"a.fcs": "SDY1", "c.fcs": "SDY2"})
    assert list(zip(result.panels["study_accession"], result.panels["technique"], strict=True)) == [
        ("SDY1", "Flow cytometry"),
        ("SDY2", "CyTOF"),
    ]
    presence = result.presence.set_index("marker")
    assert list(presence.index) == ["CD19", "CD3", "CD4", "CD45RA", "HLA-DR"]
    assert [list(presence[c]) for c in presence] == [[0, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert not any("share no marker" in text for text in result.findings)


def test_findings(tmp_path: Path):
    files = {
        "a.fcs": make(tmp_path, "a.fcs", [*FLOW, ("APC-Cy7-A", "CD4"), ("V500-A", "CXC35")]),
        "b.fcs": make(tmp_path, "b.fcs", [*FLOW, ("APC-Cy7-A", "CD27")]),
        "c.fcs": make(tmp_path, "c.fcs", [("FSC-A", ""), ("PE-A", "")]),
        "d.fcs": make(tmp_path, "d.fcs", [("PE-A", "CD56"), ("FITC-A", "CD16_SCS")]),
    }
    result = harmonize(files, studies={"a.fcs": "SDY1", "b.fcs": "SDY1", "d.fcs": "SDY2"})
    text = "\n".join(result.findings)
    assert "channel 'V500-A' with the name 'CXC35' is not understood in a.fcs; near names: " in text
    assert "CD4 is measured in channels 'APC-A' and 'APC-Cy7-A' of a.fcs; the first is used" in text
    assert "differ only by" in text
    assert "CD27" in text
    assert "no channel of c.fcs names a marker; add rows to the corrections" in text
    assert "studies SDY1 and SDY2 share no marker" in text
    assert "with the name 'CD16_SCS' was read as marker CD16 with doubt" in text
    both = result.panel[(result.panel["file_name"] == "a.fcs") & (result.panel["antigen"] == "CD4")]
    assert list(both["fcs_colname"]) == ["APC-A", "APC-Cy7-A"]
    assert all("\n" not in finding for finding in result.findings)


def test_a_damaged_file_does_not_stop_the_others(tmp_path: Path):
    bad = tmp_path / "bad.fcs"
    bad.write_bytes(b"not an FCS file")
    result = harmonize({"a.fcs": make(tmp_path, "a.fcs", FLOW), "bad.fcs": bad}, studies={"bad.fcs": "SDY9"})
    assert list(result.failures["file_name"]) == ["bad.fcs"]
    assert list(result.failures["study_accession"]) == ["SDY9"]
    assert list(result.failures["stage"]) == ["panel"]
    assert list(result.failures["message"]) == [
        "bad.fcs: is a file that starts with 'not an F', not an FCS file; check what was exported or downloaded"
    ]
    assert set(result.panel["file_name"]) == {"a.fcs"}


def table(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["file", "channel", "antigen", "role"])


def test_corrections_win(tmp_path: Path):
    files = {"a.fcs": make(tmp_path, "a.fcs", FLOW), "b.fcs": make(tmp_path, "b.fcs", FLOW)}
    result = harmonize(
        files, corrections=table(("a*", "PE-A", "pd1", ""), ("*", "FITC-A", "", "empty"), ("z*", "PE-A", "CD3", ""))
    )
    panel = result.panel.set_index(["file_name", "fcs_colname"])
    assert panel.loc[("a.fcs", "PE-A"), "antigen"] == "PD-1"
    assert panel.loc[("a.fcs", "PE-A"), "rule"] == "correction"
    assert panel.loc[("a.fcs", "PE-A"), "marker_class"] == "state"
    assert panel.loc[("b.fcs", "PE-A"), "antigen"] == "CD3"
    assert panel.loc[("b.fcs", "FITC-A"), "role"] == "empty"
    assert (
        result.findings[0]
        == "corrections row 3 (file 'z*', channel 'PE-A') fits no channel of these files; check the names"
    )


def test_corrections_round_trip_complete(tmp_path: Path):
    files = {
        "a[1].fcs": make(tmp_path, "a[1].fcs", FLOW),
        "b.fcs": make(tmp_path, "b.fcs", [("PE-A", "CD8"), ("(Nd142)Dd", "CD19"), ("Q*-A", "X9Z")]),
    }
    first = harmonize(files)
    path = tmp_path / "corrections.tsv"
    write_corrections(first.corrections, path)
    again = harmonize(files, corrections=read_corrections(path))
    assert set(again.panel["rule"]) == {"correction"}
    columns = ["file_name", "panel_id", "fcs_colname", "antigen", "reporter", "marker_class", "role"]
    pd.testing.assert_frame_equal(first.panel[columns], again.panel[columns])
    pd.testing.assert_frame_equal(first.corrections, again.corrections)


def test_class_in_corrections(tmp_path: Path):
    frame = table(("*", "PE-A", "CD3", "marker")).assign(marker_class="state")
    result = harmonize({"a.fcs": make(tmp_path, "a.fcs", FLOW)}, corrections=frame)
    assert result.panel.set_index("fcs_colname").loc["PE-A", "marker_class"] == "state"


@pytest.mark.parametrize(
    ("frame", "error", "part"),
    [
        (pd.DataFrame({"file": ["*"], "channel": ["PE-A"]}), TableError, "column 'antigen' is missing"),
        (table(("*", "", "CD3", "")), TableError, "row 1 (file '*', channel ''): column 'channel' is empty"),
        (table(("*", "PE-A", "", "")), TableError, "neither antigen nor role"),
        (table(("*", "PE-A", "CD3", "markr")), TableError, "column 'role' holds 'markr'; use one of marker"),
        (table(("*", "PE-A", "", "marker")), TableError, "role marker needs an antigen"),
        (table(("*", "PE-A", "CD3", "time")), TableError, "role 'time' measures no antigen"),
        (table(("*", "PE-A", "A;B", "marker")), TableError, "holds a ';'"),
        (
            table(("*", "PE-A", "CD3", "marker")).assign(marker_class="odd"),
            TableError,
            "column 'marker_class' holds 'odd'",
        ),
        (table(("*", "PE-A", "CD3", ""), ("a.fcs", "PE*", "CD4", "")), PanelError, "contradict each other for a.fcs"),
    ],
)
def test_bad_corrections(tmp_path: Path, frame: pd.DataFrame, error: type[Exception], part: str):
    with pytest.raises(error) as caught:
        harmonize({"a.fcs": make(tmp_path, "a.fcs", FLOW)}, corrections=frame)
    assert part in str(caught.value)


def test_hostile_names_are_harmless_in_the_tables(tmp_path: Path):
    path = make(tmp_path, "a.fcs", [("=cmd|'/C calc'!A0", "+CD3\tx\ny"), ("PE-A", "<b>CD4</b>"), ("FITC-A", "CD19")])
    result = harmonize({"a.fcs": path})
    tables.write(result.panel, tmp_path / "panel.tsv", tables.PANEL)
    lines = (tmp_path / "panel.tsv").read_text().splitlines()
    assert len(lines) == 4
    assert all(len(line.split("\t")) == len(tables.PANEL.columns) for line in lines)
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line.split("\t"))
    back = tables.read(tmp_path / "panel.tsv", tables.PANEL)
    assert back["fcs_colname"][0] == "=cmd|'/C calc'!A0"


def test_names_of_fcs_3_2_count_where_there_is_no_stain(tmp_path: Path):
    path = tmp_path / "a.fcs"
    keywords = {"$CYT": "test", "$P1ANALYTE": "HLADR", "$P1TAG": "PE-Cy7", "$P2ANALYTE": "CD8", "$P3TAG": "APC"}
    channels = [("B5-A", ""), ("R1-A", "CD4"), ("R2-A", "")]
    fcs.write(path, np.ones((2, 3), dtype=np.float32), channels, keywords, "3.2")
    panel = harmonize({"a.fcs": path}).panel
    assert list(panel["antigen"]) == ["HLA-DR", "CD4", ""]
    assert list(panel["reporter"]) == ["PE-Cy7", "", ""]
    assert list(panel["description"].str.strip()) == ["", "CD4", ""]


def test_no_files():
    result = harmonize({})
    assert result.panel.empty
    assert result.panels.empty
    assert list(result.presence.columns) == ["marker"]
    assert result.findings == []
