"""Densities of the markers: shares of all events, the same for any order of files."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import population, tables
from immport_cyto.cli._main import cli
from support import population_files as pf

GROUP = {"study_accession": "SDY1", "panel_id": "flow-6m-abc123"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("densities")
    values = {name: pf.cells(3000, seed)[0] for seed, name in enumerate(["b.fcs", "a.fcs"])}
    return {name: pf.write(folder / name, rows) for name, rows in values.items()}, values


def test_a_density_has_the_area_and_the_peaks_of_the_events(made):
    files, values = made
    found = population.densities(files, **GROUP)
    assert list(dict.fromkeys(found["marker"])) == list(pf.MARKERS)
    for number, marker in enumerate(pf.MARKERS):
        own = found[found["marker"] == marker]
        x, y = own["value"].to_numpy(), own["density"].to_numpy()
        assert len(x) == 96
        width = x[1] - x[0]
        assert y.sum() * width == pytest.approx(1, abs=0.01)
        pooled = np.concatenate([rows[:, number] for rows in values.values()])
        assert y[x > 2.25].sum() * width == pytest.approx((pooled > 2.25).mean(), abs=0.01)
        assert x[x < 2.25][y[x < 2.25].argmax()] == pytest.approx(0.5, abs=0.25)
        assert x[x > 2.25][y[x > 2.25].argmax()] == pytest.approx(4.0, abs=0.3)


def test_densities_do_not_depend_on_the_order_of_files(made):
    files, _ = made
    backwards = dict(reversed(list(files.items())))
    pd.testing.assert_frame_equal(population.densities(files, **GROUP), population.densities(backwards, **GROUP))


def test_a_part_of_many_events_gives_nearly_the_same_curve(made):
    files, _ = made
    whole, part = population.densities(files), population.densities(files, max_events=1500)
    at = whole["marker"] == "CD3"
    x = np.linspace(0, 4.5, 40)
    curves = [np.interp(x, frame.loc[at, "value"], frame.loc[at, "density"]) for frame in (whole, part)]
    assert np.abs(curves[0] - curves[1]).max() < 0.08


def test_a_constant_marker_and_one_without_numbers(tmp_path):
    values = np.full((50, 2), 1.5, dtype=np.float32)
    values[:, 1] = np.nan
    path = pf.write(tmp_path / "a.fcs", values, ("CD3", "CD4"))
    found = population.densities({"a.fcs": path})
    assert set(found["marker"]) == {"CD3"}
    assert (found["value"].min(), found["value"].max()) == pytest.approx((1.0, 2.0), abs=0.01)


def test_the_command_writes_figures_and_densities(made, tmp_path):
    files, _ = made
    out = tmp_path / "cutoffs.tsv"
    done = CliRunner().invoke(
        cli,
        ["population", "cutoffs", *map(str, files.values()), "--markers", "CD3,CD4", "--out", str(out), "--quiet",
         "--figure", str(tmp_path / "d.svg"), "--drift-figure", str(tmp_path / "e.svg"),
         "--densities", str(tmp_path / "densities.tsv")],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = tables.read(tmp_path / "densities.tsv", tables.DENSITIES)
    assert found.groupby("marker").size().to_dict() == {"CD3": 96, "CD4": 96}
    assert ">CD4</text>" in (tmp_path / "d.svg").read_text()
    assert "no marker is cut in two groups" in (tmp_path / "e.svg").read_text()
