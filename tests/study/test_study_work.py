"""The steps of the worker processes: what they guess reaches the run."""

import json

import numpy as np
import pytest

from immport_cyto import tables
from immport_cyto.study import work
from immport_cyto.study.config import ClusterOptions
from support import population_files as pf

DEFINITIONS = ({"population": "T", "definition": "CD3+", "parent": "", "cl_id": ""},)


@pytest.fixture
def job(tmp_path):
    """A group of two files whose last marker is the same in all events."""
    files = {}
    for seed, name in enumerate(["a.fcs", "b.fcs"]):
        values = pf.cells(2000, seed)[0]
        values[:, 5] = np.float32(1.5)
        files[name] = pf.write(tmp_path / name, values)
    return work.GroupJob(
        "SDY1", "flow-6m-abc123", files, ClusterOptions((3, 3), 4, seed=1), DEFINITIONS, tmp_path / "x"
    )


def test_memory_follows_the_files(job, tmp_path):
    megabytes = sum(path.stat().st_size for path in job.files.values()) / 1e6
    assert work.memory_mb(job) == pytest.approx(300 + 2 * megabytes)
    packed = tmp_path / "c.fcs.gz"
    packed.write_bytes(bytes(1_000_000))
    assert work.memory_mb(work.FileJob("c.fcs.gz", packed, (), None, tmp_path / "y")) == pytest.approx(200 + 4 * 3)


def test_remarks_of_the_clustering_are_notes_of_the_group(job):
    assert work.analyse(job) == ""
    notes = json.loads((job.place / "notes.json").read_text())
    expected = "FlowSOM: marker CD56 has the same value in all events and does not influence the clusters"
    assert [note for note in notes if note.startswith("FlowSOM: ")] == [expected]


def test_counts_add_up_and_labelled_files_are_numbered_in_order_of_names(job):
    assert work.analyse(job) == ""
    counts = tables.read(job.place / "counts.tsv", tables.COUNTS)
    search = counts[counts["method"] == "search"].set_index("file_name")
    truth = {name: int((pf.cells(2000, seed)[0][:, 0] > 2.25).sum()) for seed, name in enumerate(["a.fcs", "b.fcs"])}
    assert search["n_parent"].to_dict() == {"a.fcs": 2000, "b.fcs": 2000}
    for name, number in truth.items():
        assert abs(search.loc[name, "n_events"] - number) <= 2
    clusters = tables.read(job.place / "clusters.tsv", tables.CLUSTERS)
    assert clusters["n_events"].sum() == 4000
    assert sorted(path.name for path in job.place.glob("*.fcs")) == ["000001.fcs", "000002.fcs"]


def test_a_group_that_cannot_be_clustered_is_searched_and_says_so(job, tmp_path):
    large = work.GroupJob(**{**job.__dict__, "options": ClusterOptions((90, 90), 4), "place": tmp_path / "y"})
    assert work.analyse(large) == ""
    assert "not clustered: 4000 events for 8100 nodes (90x90); take a smaller grid or more events" in json.loads(
        (large.place / "notes.json").read_text()
    )
    counts = tables.read(large.place / "counts.tsv", tables.COUNTS)
    assert set(counts["method"]) == {"search"}
    assert not (large.place / "model.npz").exists()
