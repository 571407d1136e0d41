"""Populations and samples as AnnData."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import population, tables
from immport_cyto.cli.population import group
from immport_cyto.exceptions import LinkError, MissingExtraError, TableError
from support.meta_tables import populations, samples


def study() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    of = samples(4, arm_name=["old", "young"] * 2)
    first = populations(of, [-2, -1, 0, 1], name="T cells", definition="CD3+", total=1000)
    second = populations(of[:3], [-1, -1, -1], name="B cells", definition="CD19+", total=500)
    second["parent"] = "CD3-"
    medians = pd.DataFrame([
        {"file_name": name, "method": "search", "population": "T cells", "marker": marker, "median": value}
        for name, value in zip(of["file_name"], [1.0, 2.0, 3.0, np.nan], strict=True) for marker in ("CD3", "CD16/32")
    ])  # fmt: skip
    return pd.concat([first, second]), of, medians


def test_names_and_numbers(tmp_path):
    anndata = pytest.importorskip("anndata")
    table, of, medians = study()
    assert population.export(table, of, tmp_path / "p.h5ad", medians) == (4, 2)
    data = anndata.read_h5ad(tmp_path / "p.h5ad")
    assert data.obs_names.tolist() == sorted(of["file_name"])
    assert data.var_names.tolist() == ["B cells", "T cells"]
    assert data.var[["cluster_id", "method", "definition", "parent"]].to_numpy().tolist() == [
        ["B cells", "search", "CD19+", "CD3-"], ["T cells", "search", "CD3+", ""],
    ]  # fmt: skip
    first = data.obs.iloc[0]
    assert (first["sample_id"], first["patient_id"], first["condition"]) == ("ESSDY10", "SUBSDY100", "old")
    assert first["age_years"] == of["age_years"].iloc[0]
    assert data.obs["n_cells"].tolist() == [1000] * 4
    wide = table.pivot_table(index="file_name", columns="population", values="fraction").to_numpy()
    np.testing.assert_array_equal(data.X, wide)
    assert np.isnan(data.X[3, 0])
    np.testing.assert_array_equal(data.layers["n_parent"][0], [500, 1000])
    np.testing.assert_array_equal(data.layers["n_cells"][0, 1], table["n_events"].iloc[0])
    np.testing.assert_array_equal(data.layers["median CD16|32"][:, 1], [1, 2, 3, np.nan])
    population.export(table.iloc[::-1], of.iloc[::-1], tmp_path / "again.h5ad", medians.iloc[::-1])
    assert (tmp_path / "again.h5ad").read_bytes() == (tmp_path / "p.h5ad").read_bytes()


def test_several_methods_stay_apart(tmp_path):
    anndata = pytest.importorskip("anndata")
    table, of, medians = study()
    both = pd.concat([table, table.assign(method="flowsom", fraction=0.5)])
    assert population.export(both, of, tmp_path / "p.h5ad", medians) == (4, 4)
    data = anndata.read_h5ad(tmp_path / "p.h5ad")
    assert data.var["cluster_id"].tolist() == [
        "flowsom: B cells", "flowsom: T cells", "search: B cells", "search: T cells",
    ]  # fmt: skip
    assert data.X[0, 0] == 0.5
    assert np.isnan(data.layers["median CD3"][:, 1]).all()


def test_what_cannot_be_exported(tmp_path):
    pytest.importorskip("anndata")
    table, of, _ = study()
    out = tmp_path / "p.h5ad"
    with pytest.raises(LinkError, match="SDY1_03_0.fcs: has no row in samples.tsv; give the samples table of the same"):
        population.export(table, of[:3], out)
    with pytest.raises(TableError, match="file 'SDY1_00_0.fcs' has population 'T cells' twice; keep one"):
        population.export(pd.concat([table, table[:1]]), of, out)
    with pytest.raises(TableError, match="there are no rows; count populations first"):
        population.export(table[:0], of, out)
    assert not out.exists()


def test_command(tmp_path):
    pytest.importorskip("anndata")
    table, of, medians = study()
    tables.write(table, tmp_path / "p.tsv", tables.POPULATIONS)
    tables.write(of, tmp_path / "s.tsv", tables.SAMPLES)
    tables.write(medians, tmp_path / "m.tsv", tables.MEDIANS)
    told = CliRunner().invoke(group, [
        "export", "--populations", f"{tmp_path}/p.tsv", "--samples", f"{tmp_path}/s.tsv", "--medians",
        f"{tmp_path}/m.tsv", "--out", f"{tmp_path}/p.h5ad", "--json", f"{tmp_path}/p.json",
    ])  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "2 populations in 4 samples" in told.output


def test_without_the_extra(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "anndata", None)
    table, of, _ = study()
    with pytest.raises(MissingExtraError, match="anndata"):
        population.export(table, of, tmp_path / "p.h5ad")
