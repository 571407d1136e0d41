"""Which events a figure shows: a rule that knows the file and the seed, nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immport_cyto import fcs
from immport_cyto.events.sampling import common_markers, draw, find_channel, sample
from immport_cyto.exceptions import OptionError, PanelError
from support.population_files import MARKERS, cells, write


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampling")
    made = {}
    for number, n in enumerate((400, 90_000, 3)):
        values, _ = cells(n, number)
        made[f"f{number}.fcs"] = write(folder / f"f{number}.fcs", values)
    return made


@given(n=st.integers(0, 5000), most=st.integers(1, 400), seed=st.integers(0, 2**32), name=st.text(max_size=20))
def test_one_event_is_drawn_of_each_equal_run(n, most, seed, name):
    rows = draw(n, most, seed, name)
    assert len(rows) == min(n, most)
    assert np.array_equal(rows, draw(n, most, seed, name))
    if n > most:
        edges = np.arange(most + 1) * n // most
        assert (rows >= edges[:-1]).all()
        assert (rows < edges[1:]).all()


def test_the_draw_depends_on_seed_and_name():
    first = draw(1000, 50, 1, "a.fcs")
    assert not np.array_equal(first, draw(1000, 50, 2, "a.fcs"))
    assert not np.array_equal(first, draw(1000, 50, 1, "b.fcs"))


def test_values_are_those_of_the_drawn_events_in_any_order_of_the_files(files):
    drawn = sample(files, ["CD19", "CD3"], 500, 7)
    again = sample(dict(reversed(files.items())), ["CD19", "CD3"], 500, 7)
    assert drawn.files == ("f0.fcs", "f1.fcs", "f2.fcs")
    assert np.bincount(drawn.file).tolist() == [400, 500, 3]
    assert (drawn.n_events, drawn.n_nonfinite) == (90_403, 0)
    assert np.array_equal(drawn.values, again.values)
    with fcs.open(files["f1.fcs"]) as source:
        both = [find_channel(source, "CD19", ""), find_channel(source, "CD3", "")]
        expected = source.events(both)[draw(90_000, 500, 7, "f1.fcs")]
    assert np.array_equal(drawn.values[drawn.file == 1], expected)


def test_events_that_are_not_finite_are_counted(tmp_path):
    values, _ = cells(50, 1)
    values[3, 0] = np.nan
    path = write(tmp_path / "nan.fcs", values)
    drawn = sample({"nan.fcs": path}, ["CD3"], 100, 1)
    assert (len(drawn.values), drawn.n_nonfinite) == (49, 1)
    assert len(sample({"nan.fcs": path}, ["CD4"], 100, 1).values) == 50


def test_a_channel_is_found_by_marker_pnn_and_without_capitals(files):
    with fcs.open(files["f0.fcs"]) as source:
        assert find_channel(source, "HLA-DR", "f0") == find_channel(source, "FL5-A", "f0") == 5
        assert find_channel(source, "hla-dr", "f0") == 5
        with pytest.raises(PanelError, match=r"^f0: has no marker or channel 'CD33' .* did you mean CD3$"):
            find_channel(source, "CD33", "f0")


def test_common_markers(files, tmp_path):
    assert common_markers(files) == list(MARKERS)
    values, _ = cells(20, 1)
    other = write(tmp_path / "a.fcs", values[:, 3:4], ["CD19"])
    assert common_markers({**files, "a.fcs": other}) == ["CD19"]
    strange = write(tmp_path / "z.fcs", values[:, :1], ["CD33"])
    with pytest.raises(PanelError, match=r"^z.fcs: has no marker in common"):
        common_markers({**files, "z.fcs": strange})


def test_a_cofactor_is_for_files_that_are_not_transformed(files, tmp_path):
    raw = np.array([[1000.0, 150.0], [50.0, -300.0]], np.float32)
    fcs.write(tmp_path / "raw.fcs", raw, [("FSC-A", ""), ("FL1-A", "CD3")])
    drawn = sample({"raw.fcs": tmp_path / "raw.fcs"}, ["FSC-A", "CD3"], 10, 1, 150.0)
    assert np.allclose(drawn.values, [[1000.0, np.arcsinh(1)], [50.0, np.arcsinh(-2)]])
    with pytest.raises(OptionError, match=r"^f0.fcs: is preprocessed"):
        sample(files, ["CD3"], 10, 1, 150.0)
