"""Centres of FLOCK populations: mean, median, geometric mean; in the model, in tables, and from tables again."""

import numpy as np
import pytest
from scipy.stats import gmean

from immport_cyto import tables
from immport_cyto.cluster import FLOCK, flock
from immport_cyto.cluster.flock import outputs
from immport_cyto.exceptions import AnalysisError, OptionError, TableError
from support.cluster_events import MARKERS, T_CELLS, blobs, preprocessed

CENTER = {"mean": np.mean, "median": np.median, "geometric-mean": gmean}
X = blobs(T_CELLS, [400, 300, 200, 100], seed=3)[0] + 3


@pytest.mark.parametrize("center", CENTER)
def test_the_centre_changes_no_population(center, tmp_path):
    plain, model = FLOCK().fit(X), FLOCK(center=center).fit(X)
    assert np.array_equal(model.labels_, plain.labels_)
    for population in range(1, model.n_populations_ + 1):
        inside = X[model.labels_ == population].astype(np.float64)
        assert model.centers_[population - 1] == pytest.approx(CENTER[center](inside, axis=0))
    model.save(tmp_path / "m.npz")
    again = flock.load(tmp_path / "m.npz")
    assert again.center == center
    assert np.array_equal(again.predict(X), plain.labels_)
    assert np.array_equal(again.adjust(X).labels, flock.adjust(model.centers_, X).labels)


@pytest.mark.parametrize("center", CENTER)
def test_the_centre_in_the_tables_of_a_file(center, tmp_path):
    path = preprocessed(tmp_path / "a.fcs", X)
    model = flock.flock_files({"a.fcs": path})
    found = flock.label_file(model, "a.fcs", path, center=center)
    own = flock.flock_files({"a.fcs": path}, center=center)
    assert found.centers == pytest.approx(own.centers_)
    assert flock.label_file(own, "a.fcs", path).centers == pytest.approx(own.centers_)
    assert found.medians == pytest.approx(flock.label_file(own, "a.fcs", path).medians)


def test_values_without_a_geometric_mean(tmp_path):
    low = X.copy()
    low[6, 1] = -0.5
    with pytest.raises(
        AnalysisError, match=r"^marker CD4 is -0.5 in event 7, and a geometric mean needs values above 0"
    ):
        FLOCK(center="geometric-mean").fit(low, markers=MARKERS)
    path = preprocessed(tmp_path / "a.fcs", low)
    with pytest.raises(AnalysisError, match=r"^a\.fcs: marker CD4 is -0.5 in event 7"):
        flock.flock_files({"a.fcs": path}, center="geometric-mean")
    model = flock.flock_files({"a.fcs": path})
    with pytest.raises(AnalysisError, match=r"^a\.fcs: marker CD4 is -0.5 in event 7"):
        flock.label_file(model, "a.fcs", path, center="geometric-mean")
    with pytest.raises(OptionError, match="^center is 'mode'; choose mean, median or geometric-mean$"):
        FLOCK(center="mode").fit(X)


def profiles(model, *, files=()):
    parts = [outputs.training_profiles(model)]
    parts += [outputs.file_profiles(model, name, flock.label_file(model, name, path)) for name, path in files]
    return tables.concat(parts, outputs.PROFILES)


def test_profiles_are_centres_to_map_by(tmp_path):
    path = preprocessed(tmp_path / "a.fcs", X)
    model = flock.flock_files({"a.fcs": path}, center="median", study_accession="SDY1", panel_id="p")
    table = tmp_path / "p.tsv"
    tables.write(profiles(model), table, outputs.PROFILES)
    known = flock.read_centres(table)
    assert known.markers == model.markers
    assert known.ids.tolist() == list(range(1, model.n_populations_ + 1))
    assert np.array_equal(known.centers, model.centers_)
    found = flock.label_file(known, "a.fcs", path)
    assert found.counts.tolist() == np.bincount(model.adjust(X[:, [3, 0, 1, 2]]).labels)[1:].tolist()


def test_profiles_that_are_no_set_of_centres(tmp_path):
    path = preprocessed(tmp_path / "a.fcs", X)
    model = flock.flock_files({"a.fcs": path}, study_accession="SDY1", panel_id="p")
    table, frame = tmp_path / "p.tsv", profiles(model)
    tables.write(profiles(model, files=[("a.fcs", path)]), table, outputs.PROFILES)
    with pytest.raises(
        TableError, match=r"p\.tsv: has the populations of 2 models or files \(SDY1 p; SDY1 p a\.fcs\); k"
    ):
        flock.read_centres(table)
    tables.write(frame.iloc[1:], table, outputs.PROFILES)
    with pytest.raises(
        TableError, match=r"p\.tsv: a population lacks the centre of a marker; give each population a row"
    ):
        flock.read_centres(table)
    tables.write(frame, table, outputs.PROFILES)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1], ""]))
    with pytest.raises(TableError, match=r"p\.tsv: population 1 has two rows for marker CD19; keep one"):
        flock.read_centres(table)
    tables.write(frame.iloc[:0], table, outputs.PROFILES)
    with pytest.raises(TableError, match=r"p\.tsv: has the populations of 0 models or files"):
        flock.read_centres(table)
