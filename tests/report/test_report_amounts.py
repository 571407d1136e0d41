"""The section on populations, and the words of terms."""

import numpy as np
import pandas as pd
import pytest

from immport_cyto import report
from immport_cyto.report import amounts, figures
from immport_cyto.report.figures._style import _shorten
from immport_cyto.report.wording import sentence, words
from support.report_tables import make


@pytest.mark.parametrize(("term", "said"), [
    ("age_years", "age (years)"),
    ("study_time_days", "study time (days)"),
    ("sex[Male vs Female]", "sex: Male vs Female"),
    ("age_years:arm_name[A:B vs C]", "age (years) × arm name: A:B vs C"),
    ("", ""),
])  # fmt: skip
def test_terms_in_words(term, said):
    assert words(term) == said
    assert sentence(said) == said[:1].upper() + said[1:]


@pytest.fixture
def tables():
    found = make()
    of_sex = found["effects"].assign(term="sex[Male vs Female]", p_value=0.5)
    found["effects"] = pd.concat([found["effects"], of_sex], ignore_index=True)
    return found


def test_each_variable_of_the_model_has_its_figures_and_all_samples_theirs(tables):
    section = amounts.populations(tables)
    assert [picture.caption for picture in section.pictures] == [
        "All samples, populations by definition",
        *(f"{name}: fraction against age (years)" for name in sorted(tables["effects"]["population"].unique())),
        f"{min(tables['effects']['population'])}: fraction against sex",
    ]
    assert len(section.folded) == 2
    assert section.pictures[0].alternative == (
        "Heat map of 3 populations in 24 samples, in standard deviations from the mean of each population, with sex "
        "above them."
    )


def test_without_effects_there_is_the_heat_map_only(tables):
    section = amounts.populations({name: tables[name] for name in ("populations", "samples")})
    assert [picture.caption for picture in section.pictures] == ["All samples, populations by definition"]


def test_the_heat_map_holds_standard_deviations(tables):
    figure = figures.sample_heatmap(tables["populations"])
    image = next(axes.images[0].get_array() for axes in figure.axes if axes.images)
    assert image.shape == (3, 24)
    assert np.allclose(image.mean(axis=1), 0)
    assert np.allclose(image.std(axis=1), 1)


def test_a_study_has_one_colour_whatever_the_population(tables):
    populations = tables["populations"]
    alone = populations[(populations["population"] != "B cell") | (populations["study_accession"] == "SDY3")]
    every = figures.effect_scatter(populations, tables["samples"], "B cell", "age_years").axes[2]
    one = figures.effect_scatter(alone, tables["samples"], "B cell", "age_years").axes[0]
    assert every.get_lines()[0].get_color() == one.get_lines()[0].get_color()


def test_many_points_are_an_image_within_the_figure(tables):
    some = report.svg(figures.effect_scatter(tables["populations"], tables["samples"], "B cell", "age_years"))
    samples = pd.concat([tables["samples"].assign(file_name=lambda f, i=i: f["file_name"] + str(i)) for i in range(20)])
    rows = pd.concat(
        [tables["populations"].assign(file_name=lambda f, i=i: f["file_name"] + str(i)) for i in range(20)]
    )
    many = report.svg(figures.effect_scatter(rows, samples, "B cell", "age_years"))
    assert "data:image/png" not in some
    assert many.count("data:image/png") == 3


def test_places_are_short_and_texts_are_whole():
    svg = '<path d="M 1.23456 -0.00012 \nL 10 20.5"/><use x="3.14159" y="2.5"/><text x="1.23456">q = 0.123456</text>'
    assert _shorten(svg) == (
        '<path d="M 1.23 -0.00 \nL 10 20.5"/><use x="3.14" y="2.5"/><text x="1.23">q = 0.123456</text>'
    )
