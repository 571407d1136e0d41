"""``immport-cyto meta``: files in, files out, and errors as the shell sees them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import meta, tables
from immport_cyto.cli.meta import group
from immport_cyto.exceptions import FormulaError, OptionError, TableError
from support.meta_tables import populations, samples


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    of = pd.concat([samples(12, study=f"SDY{i}", seed=i) for i in (1, 2, 3)], ignore_index=True)
    counts = populations(of, np.random.default_rng(1).normal(-2, 0.5, 36) + 0.02 * of["age_years"])
    tables.write(counts, tmp_path / "populations.tsv", tables.POPULATIONS)
    tables.write(of, tmp_path / "samples.tsv", tables.SAMPLES)
    return tmp_path / "populations.tsv", tmp_path / "samples.tsv"


def run(*arguments: object) -> None:
    result = CliRunner().invoke(group, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_effects_and_pool_write_what_the_library_gives(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    of, counts = inputs[1], inputs[0]
    effects, pooled = tmp_path / "effects.tsv", tmp_path / "meta.tsv"
    run("effects", "--populations", counts, "--samples", of, "--out", effects, "--json", tmp_path / "e.json",
        "--baseline", "sex=Male", "--scale", "arcsine")  # fmt: skip
    expected = meta.effects(
        tables.read(counts, tables.POPULATIONS), tables.read(of, tables.SAMPLES), scale="arcsine",
        baseline={"sex": "Male"},
    )  # fmt: skip
    pd.testing.assert_frame_equal(tables.read(effects, tables.EFFECTS), expected)
    run("pool", effects, "--out", pooled, "--method", "PM", "--json", tmp_path / "p.json")
    again = tables.read(pooled, tables.META)
    pd.testing.assert_frame_equal(again, meta.pool_effects(expected, method="PM"))
    record = json.loads((tmp_path / "e.json").read_text())
    assert record["parameters"]["baseline"] == {"sex": "Male"}
    assert record["counts"] == {"effects": 6, "effects_estimated": 6}
    assert [entry["name"] for entry in record["inputs"]] == ["populations.tsv", "samples.tsv"]
    assert json.loads((tmp_path / "p.json").read_text())["counts"] == {"rows": 8, "effects": 2, "effects_pooled": 2}


def test_effects_of_several_files_are_pooled_together(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    run("effects", "--populations", inputs[0], "--samples", inputs[1], "--out", tmp_path / "all.tsv")
    everything = tables.read(tmp_path / "all.tsv", tables.EFFECTS)
    for study in ("SDY1", "SDY2", "SDY3"):
        part = everything[everything["study_accession"] == study]
        tables.write(part, tmp_path / f"{study}.tsv", tables.EFFECTS)
    run("pool", tmp_path / "all.tsv", "--out", tmp_path / "one.tsv")
    run("pool", *(tmp_path / f"SDY{i}.tsv" for i in (3, 1, 2)), "--out", tmp_path / "three.tsv")
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "three.tsv").read_bytes()


def test_forest_shows_the_asked_term(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    run("effects", "--populations", inputs[0], "--samples", inputs[1], "--out", tmp_path / "effects.tsv")
    run("pool", tmp_path / "effects.tsv", "--out", tmp_path / "meta.tsv", "--forest", tmp_path / "forest.svg",
        "--term", "sex[Male vs Female]")  # fmt: skip
    figure = (tmp_path / "forest.svg").read_text(encoding="utf-8")
    assert "B cells" in figure
    assert "Male vs Female" in figure
    assert "age_years" not in figure


def test_errors_leave_no_output(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    base = ["effects", "--populations", str(inputs[0]), "--samples", str(inputs[1]), "--out", str(tmp_path / "x.tsv")]
    runner = CliRunner()
    with pytest.raises(FormulaError, match="'.' is not allowed; use column names"):
        runner.invoke(group, [*base, "--formula", "__import__('os').system('true')"], catch_exceptions=False)
    with pytest.raises(TableError, match=r"samples.tsv: column 'method' is missing from populations.tsv"):
        runner.invoke(group, ["effects", "--populations", str(inputs[1]), *base[3:]], catch_exceptions=False)
    usage = runner.invoke(group, [*base, "--baseline", "Male"])
    assert usage.exit_code == 2
    assert "'Male' is not of the form COLUMN=VALUE" in usage.output
    assert not (tmp_path / "x.tsv").exists()
    runner.invoke(group, base, catch_exceptions=False)
    with pytest.raises(OptionError, match="term 'bmi' is not in the effects; use one of: age_years, sex"):
        runner.invoke(
            group, ["pool", str(tmp_path / "x.tsv"), "--out", str(tmp_path / "y.tsv"), "--term", "bmi"],
            catch_exceptions=False,
        )  # fmt: skip
    assert not (tmp_path / "y.tsv").exists()


def test_help_is_light() -> None:
    heavy = "pandas scipy.stats statsmodels matplotlib sklearn numba"
    code = (
        "import sys\nfrom immport_cyto.cli import main\n"
        "sys.argv = ['immport-cyto', 'meta', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', [name for name in '{heavy}'.split() if name in sys.modules])\n"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "Estimate effects per study and pool them." in output
    assert output.splitlines()[-1] == "loaded: []"
