"""FLOCK over files: FCS and text tables, joint training, mapping, adjustment, tables."""

import numpy as np
import pytest

from immport_cyto import cluster, fcs, panel, tables
from immport_cyto.cluster import FLOCK, flock
from immport_cyto.cluster.flock import outputs
from immport_cyto.exceptions import AnalysisError, InputError, OptionError, PanelError, TableError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed
from support.flock_tables import write_text

SIZES = [500, 350, 250, 150]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("flock")


@pytest.fixture(scope="module")
def files(folder):
    """Two FCS files of T cells, the second larger and with markers in another order."""
    X, _ = blobs(T_CELLS, SIZES, seed=0)
    Y, _ = blobs(T_CELLS, [2 * n for n in SIZES], seed=1)
    turned = [3, 1, 0, 2]
    return {
        "a.fcs": preprocessed(folder / "a.fcs", X, extra=["FSC-A"]),
        "b.fcs": preprocessed(folder / "b.fcs", Y[:, turned], [MARKERS[j] for j in turned]),
    }


def column(path):
    with fcs.open(path) as file:
        return file.events(["FLOCK_population"])[:, 0].astype(int)


def test_one_file_gives_what_the_estimator_gives(files, tmp_path):
    model = flock.flock_files({"a.fcs": files["a.fcs"]})
    assert model.markers == sorted(MARKERS)
    assert model.training == [("a.fcs", 1250)]
    with fcs.open(files["a.fcs"]) as file:
        X = file.events([MARKERS.index(marker) for marker in model.markers])
    expected = FLOCK().fit(X)
    found = flock.label_file(model, "a.fcs", files["a.fcs"], tmp_path / "a.fcs")
    assert np.array_equal(column(tmp_path / "a.fcs"), expected.labels_)
    assert np.array_equal(found.counts, expected.counts_)
    assert np.allclose(found.centers, expected.centers_, atol=1e-6)
    for p in range(expected.n_populations_):
        assert np.allclose(found.medians[p], np.median(X[expected.labels_ == p + 1], axis=0))
    with fcs.open(tmp_path / "a.fcs") as file:
        number = file.names.index("FLOCK_population") + 1
        assert file.keywords[f"ICYTO_P{number}ROLE"] == "derived"
        assert file.channels[-1].range == expected.n_populations_ + 1
        assert '"adjusted":false' in file.keywords["ICYTO_FLOCK"]


def test_files_are_trained_on_with_equal_quotas_in_any_order(files):
    one = flock.flock_files(files, max_training_events=2000, seed=3)
    other = flock.flock_files(dict(reversed(files.items())), max_training_events=2000, seed=3)
    assert one.training == [("a.fcs", 1000), ("b.fcs", 1000)]
    assert np.array_equal(one.rule_.centres, other.rule_.centres)
    assert np.array_equal(one.counts_, other.counts_)
    assert one.warnings_ == []
    again = flock.flock_files(files, max_training_events=2000, seed=4)
    assert not np.array_equal(one.rule_.mean, again.rule_.mean)


def test_a_small_file_is_reported(files):
    model = flock.flock_files(files)
    assert model.training == [("a.fcs", 1250), ("b.fcs", 2500)]
    assert model.warnings_[0] == "a.fcs: fewer than 2500 events, so of less weight than the other files"


def test_mapping_again_replaces_and_gives_the_same_bytes(files, tmp_path):
    model = flock.flock_files(files)
    flock.label_file(model, "b.fcs", files["b.fcs"], tmp_path / "b.fcs", n_jobs=2)
    flock.label_file(model, "b.fcs", tmp_path / "b.fcs", tmp_path / "c.fcs")
    assert (tmp_path / "b.fcs").read_bytes() == (tmp_path / "c.fcs").read_bytes()


def test_adjusting_moves_the_populations(files, tmp_path):
    model = flock.flock_files(files)
    X, _ = blobs(T_CELLS, SIZES, seed=5)
    moved = preprocessed(tmp_path / "moved.fcs", X + 0.9)
    found = flock.label_file(model, "moved.fcs", moved, tmp_path / "o.fcs", adjust=True)
    order = [MARKERS.index(marker) for marker in model.markers]
    expected = flock.adjust(model.centers_, (X + np.float32(0.9))[:, order])
    assert np.array_equal(column(tmp_path / "o.fcs"), expected.labels)
    assert np.array_equal(found.profile, expected.profile)
    with fcs.open(tmp_path / "o.fcs") as file:
        assert '"adjusted":true' in file.keywords["ICYTO_FLOCK"]


def test_a_file_without_events(files, tmp_path):
    model = flock.flock_files({"a.fcs": files["a.fcs"]})
    empty = preprocessed(tmp_path / "empty.fcs", np.empty((0, 4), np.float32))
    for adjust in (False, True):
        found = flock.label_file(model, "empty.fcs", empty, tmp_path / "o.fcs", adjust=adjust)
        assert found.n_events == 0
        assert found.counts.tolist() == [0] * model.n_populations_
        assert np.isnan(found.medians).all()


def test_tables_of_a_file(files, tmp_path):
    model = flock.flock_files({"a.fcs": files["a.fcs"]}, study_accession="SDY1", panel_id="flow-4m-x")
    found = flock.label_file(model, "a.fcs", files["a.fcs"])
    counts = outputs.counts(model, "a.fcs", found)
    assert counts["population"].tolist() == [f"FLOCK {p} of SDY1 flow-4m-x" for p in range(1, model.n_populations_ + 1)]
    assert counts["n_events"].tolist() == model.counts_.tolist()
    assert (counts["n_parent"] == 1250).all()
    assert counts["percentage"].sum() == pytest.approx(100)
    assert counts["percentage"].tolist() == model.percentages_.tolist()
    # a profile is a definition that the search understands
    for definition, levels in zip(counts["definition"], model.profile_, strict=True):
        gates = panel.parse_gates(definition).gates
        assert [gate.marker for gate in gates] == model.markers
        assert [gate.sign for gate in gates] == [outputs.SIGNS[level - 1] for level in levels]
    medians = outputs.medians(model, "a.fcs", found)
    assert medians["median"].to_numpy().reshape(-1, 4) == pytest.approx(found.medians)
    profiles = outputs.training_profiles(model)
    assert profiles["level"].to_numpy().reshape(-1, 4).tolist() == model.profile_.tolist()
    tables.write(profiles, tmp_path / "p.tsv", outputs.PROFILES)
    again = tables.read(tmp_path / "p.tsv", outputs.PROFILES)
    assert np.array_equal(again["center"].to_numpy().reshape(-1, 4), model.centers_)  # exact, not rounded


# text tables


def test_a_table_is_clustered_without_its_time(tmp_path):
    X, _ = blobs(T_CELLS, SIZES, seed=0)
    X = X.astype(np.float64)
    path = write_text(tmp_path / "x.txt", X, MARKERS, time=np.arange(len(X)))
    model = flock.flock_files({"x.txt": path})
    assert model.markers == list(MARKERS)
    expected = FLOCK().fit(X)
    flock.label_file(model, "x.txt", path, tmp_path / "y.txt")
    rows = [line.split("\t") for line in (tmp_path / "y.txt").read_text().splitlines()]
    assert rows[0] == ["Time", *MARKERS, "FLOCK_population"]
    assert [row[:-1] for row in rows[1:]] == [line.split("\t") for line in path.read_text().splitlines()[1:]]
    assert [int(row[-1]) for row in rows[1:]] == expected.labels_.tolist()
    flock.label_file(model, "y.txt", tmp_path / "y.txt", tmp_path / "z.txt")
    assert (tmp_path / "z.txt").read_text() == (tmp_path / "y.txt").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the first line is empty; give a header"),
        ("1\t2\n3\t4\n", "the first line holds numbers; give a header with the names of the markers before it"),
        ("CD3,CD4\n1,2\n", r"the header has one column \(CD3,CD4\); separate the columns by tabs"),
        ("CD3\tCD3\n1\t2\n", "the column name CD3 comes twice in the header"),
        ("CD3\t\n1\t2\n", "the column name is empty in the header"),
        ("CD3\tCD4\n1\t2\n\n1\tx\n", r"column 'CD4' holds 'x' in line 4, which is not a number"),
        ("CD3\tCD4\n1\t2\n1\t\n", "column 'CD4' holds '' in line 3, which is not a number"),
        ("CD3\tCD4\n1\t2\n1\t2\t3\n", "line 3 has 3 cells, the header 2; correct the line"),
        ("CD3\tCD4\n1\t2\t3\n1\t2\t3\n", "line 2 has 3 cells, the header 2; correct the line"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message):
    path = tmp_path / "x.txt"
    path.write_text(text)
    with pytest.raises(TableError, match=rf"x\.txt: {message}"):
        flock.flock_files({"x.txt": path})


def test_binary_missing_and_empty_tables(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(range(128, 256)))
    with pytest.raises(TableError, match=r"x\.bin: is neither an FCS file nor a text table"):
        flock.flock_files({"x": tmp_path / "x.bin"})
    with pytest.raises(InputError, match=r"none\.txt: cannot be read \(No such file or directory\)"):
        flock.flock_files({"x": tmp_path / "none.txt"})
    (tmp_path / "x.txt").write_text("CD3\tCD4\n")
    with pytest.raises(AnalysisError, match="0 events are too few, FLOCK needs at least 50; take a larger file$"):
        flock.flock_files({"x": tmp_path / "x.txt"})


def test_long_lines_and_names(tmp_path):
    """The original stops at 1023 characters a line and 63 a name."""
    X, _ = blobs(T_CELLS, SIZES, seed=0)
    names = [f"{'marker ' * 60}{j}" for j in range(4)]
    model = flock.flock_files({"x": write_text(tmp_path / "x.txt", X, names)})
    assert model.markers == names
    assert np.array_equal(model.counts_, FLOCK().fit(X.astype(np.float64)).counts_)


def test_the_value_that_is_not_finite_is_named_with_its_file(tmp_path):
    X, _ = blobs(T_CELLS, SIZES, seed=0)
    X[76, 2] = np.nan
    with pytest.raises(AnalysisError, match=r"^x\.txt: marker CD8 is nan in event 77; remove such events first"):
        flock.flock_files({"x.txt": write_text(tmp_path / "x.txt", X, MARKERS)})


# centres


def test_centres_from_a_table(tmp_path):
    path = write_text(tmp_path / "c.tsv", np.column_stack([[7, 5, 3, 1], T_CELLS]), ["Population", *MARKERS])
    centres = flock.read_centres(path)
    X, truth = blobs(T_CELLS, SIZES, seed=0)
    text = write_text(tmp_path / "x.txt", X[:, ::-1], MARKERS[::-1])
    found = flock.label_file(centres, "x.txt", text, tmp_path / "y.txt")
    assert found.ids.tolist() == [7, 5, 3, 1]
    assert found.counts.tolist() == SIZES
    labels = [int(line.rsplit("\t", 1)[1]) for line in (tmp_path / "y.txt").read_text().splitlines()[1:]]
    assert labels == np.array([7, 5, 3, 1])[truth].tolist()


@pytest.mark.parametrize(
    ("numbers", "message"),
    [([1, 1], "number the populations by different whole"), ([0, 1], "from 1 to"), ([1.5, 2], "different whole")],
)
def test_numbers_of_centres(tmp_path, numbers, message):
    path = write_text(tmp_path / "c.tsv", np.column_stack([numbers, np.ones((2, 2))]), ["Population", "CD3", "CD4"])
    with pytest.raises(TableError, match=message):
        flock.read_centres(path)


# files that do not fit


def test_files_and_markers_that_do_not_fit(files, tmp_path):
    with pytest.raises(OptionError, match="^no files to cluster; give at least one$"):
        flock.flock_files({})
    with pytest.raises(OptionError, match="^max_training_events is 0; give a whole number from 1 on$"):
        flock.flock_files(files, max_training_events=0)
    with pytest.raises(OptionError, match="^bins is 3; give a whole number"):
        flock.flock_files(files, bins=3)
    with pytest.raises(PanelError, match=r"^a\.fcs: marker CD14 is not in the file \(it has CD3, CD4, CD8, CD19\)"):
        flock.flock_files(files, markers=["CD3", "CD14"])
    X, _ = blobs(T_CELLS, SIZES, seed=0)
    other = preprocessed(tmp_path / "o.fcs", X, ["CD14", "CD16", "CD56", "CD11c"])
    with pytest.raises(PanelError, match=r"^o\.fcs: no marker in common with the files before it \(CD14, CD16"):
        flock.flock_files({**files, "o.fcs": other})
    model = flock.flock_files(files)
    with pytest.raises(PanelError, match=r"^o\.fcs: marker CD19, CD3, CD4, CD8 is not in the file"):
        flock.label_file(model, "o.fcs", other, tmp_path / "p.fcs")
    assert not (tmp_path / "p.fcs").exists()
    with pytest.raises(AnalysisError, match=r"^a\.fcs, b\.fcs: FLOCK needs at least two markers, got CD3"):
        flock.flock_files(files, markers=["CD3"])


def test_models_are_chosen_by_file_and_panel(files):
    one = flock.flock_files({"a.fcs": files["a.fcs"]}, panel_id="p")
    two = flock.flock_files({"b.fcs": files["b.fcs"]}, panel_id="q")
    assert cluster.choose_model([one, two], "b.fcs") is two
    assert cluster.choose_model([one, two], "new.fcs", "p") is one


def test_what_training_files_lack_or_have_twice_is_told(tmp_path):
    X, _ = blobs(T_CELLS, [300, 200, 200, 100])
    fcs.write(tmp_path / "r.fcs", X, [("A", "CD3"), ("B", "CD4"), ("C", "CD8"), ("D", "CD19")])
    files = {
        "a.fcs": preprocessed(tmp_path / "a.fcs", X, ["CD3", "CD4", "CD8", "CD4"]),
        "r.fcs": tmp_path / "r.fcs",
    }
    model = flock.flock_files(files)
    assert model.markers == ["CD3", "CD4", "CD8"]
    assert model.warnings_[:2] == [
        "marker CD19 is not used, because a.fcs does not have it to cluster on",
        "a.fcs: marker CD4 is measured by the channels D1 and D3; the first is used",
    ]
    assert model.warnings_[2].startswith("r.fcs was not written by 'events preprocess' and clustered on the values as")
