"""``immport-cyto meta regression``, ``subgroup``, ``cumulative``, ``asymmetry``, ``power``: files in, files out."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import meta, tables
from immport_cyto.cli.meta import group
from immport_cyto.exceptions import OptionError
from support.meta_tables import effect_rows


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    y, se = [0.10, 0.30, 0.35, 0.65, -0.20], [0.10, 0.12, 0.18, 0.15, 0.25]
    tables.write(effect_rows(y, se), tmp_path / "effects.tsv", tables.EFFECTS)
    studies = pd.DataFrame({
        "study_accession": [f"SDY{i}" for i in range(1, 6)], "year": [2001, 2004, 2010, 2015, 1999],
        "tissue": ["PBMC", "PBMC", "<b>blood</b>", "<b>blood</b>", "PBMC"],
    })  # fmt: skip
    tables.write(studies, tmp_path / "studies.tsv", tables.STUDIES)
    return tmp_path / "effects.tsv", tmp_path / "studies.tsv"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(group, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_each_command_writes_what_the_library_gives(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    effects, studies = inputs
    rows, properties = tables.read(effects, tables.EFFECTS), tables.read(studies, tables.STUDIES)
    out = tmp_path / "out.tsv"
    given = ("--out", out, "--json", tmp_path / "out.json")
    for arguments, table, expected in (
        (("regression", effects, "--studies", studies, "--formula", "num(year)", "--test", "z"), tables.MODERATORS,
         meta.moderators(rows, properties, "num(year)", test="z")),
        (("subgroup", effects, "--studies", studies, "--by", "tissue", "--method", "DL"), tables.SUBGROUPS,
         meta.subgroups(rows, properties, "tissue", method="DL")),
        (("cumulative", effects, "--studies", studies, "--order", "year"), tables.CUMULATIVE,
         meta.cumulative(rows, properties, "year")),
        (("asymmetry", effects), tables.ASYMMETRY, meta.asymmetry(rows)),
        (("power", effects, "--effect", 0.2, "--power", 0.9, "--alpha", 0.01), tables.POWER,
         meta.power(rows, effect=0.2, wanted=0.9, alpha=0.01)),
    ):  # fmt: skip
        said = run(*arguments, *given)
        pd.testing.assert_frame_equal(tables.read(out, table), expected)
        assert f"{len(expected)} of {len(expected)} rows with a result" in said
        record = json.loads((tmp_path / "out.json").read_text())
        assert record["command"] == f"meta {arguments[0]}"
        assert record["counts"]["rows"] == len(expected)


def test_figures_show_the_asked_population_and_escape_names(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    effects, studies = inputs
    figure = tmp_path / "figure.svg"
    run("regression", effects, "--studies", studies, "--formula", "tissue", "--out", tmp_path / "o.tsv",
        "--figure", figure)  # fmt: skip
    text = figure.read_text(encoding="utf-8")
    assert "&lt;b&gt;blood&lt;/b&gt;" in text
    assert "<b>" not in text
    assert ">B cells<" in text
    run("regression", effects, "--studies", studies, "--formula", "num(year)", "--out", tmp_path / "o.tsv",
        "--figure", figure)  # fmt: skip
    fit = meta.moderators(tables.read(effects, tables.EFFECTS), tables.read(studies, tables.STUDIES), "num(year)")
    assert f"B cells   p = {fit['p_value'][1]:.2g}" in figure.read_text(encoding="utf-8")
    run("cumulative", effects, "--studies", studies, "--order", "year", "--out", tmp_path / "o.tsv",
        "--figure", figure)  # fmt: skip
    text = figure.read_text(encoding="utf-8")
    assert text.index("+ SDY5  (1999)") < text.index("+ SDY1  (2001)") < text.index("+ SDY4  (2015)")
    run("asymmetry", effects, "--out", tmp_path / "o.tsv", "--funnel", figure, "--population", "B cells")
    text = figure.read_text(encoding="utf-8")
    assert all(f">SDY{i}<" in text for i in range(1, 6))
    assert "shaded: 95 % of studies of one effect" in text


def test_an_unknown_population_is_refused_before_anything_is_written(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    arguments = ["asymmetry", str(inputs[0]), "--out", str(tmp_path / "o.tsv"), "--funnel", str(tmp_path / "f.svg")]
    with pytest.raises(OptionError, match="population 'T cells' is not in the table; use one of: B cells"):
        CliRunner().invoke(group, [*arguments, "--population", "T cells"], catch_exceptions=False)
    assert not (tmp_path / "o.tsv").exists()
    assert not (tmp_path / "f.svg").exists()


def test_a_figure_of_a_wrong_kind_is_refused_before_anything_is_written(
    inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    effects, out = str(inputs[0]), tmp_path / "o.tsv"
    with pytest.raises(OptionError, match=r"f.gif: figures are written as .svg or .png or .pdf; change the ending"):
        CliRunner().invoke(
            group, ["pool", effects, "--out", str(out), "--forest", str(tmp_path / "f.gif")], catch_exceptions=False
        )
    assert not out.exists()
