"""The page: everything from outside is escaped, every table can be downloaded whole, the bytes repeat."""

import base64
import csv
import html
import io
import re

import pandas as pd
import pytest

from immport_cyto import report
from support.report_tables import HOSTILE, make, more


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    truth = pd.DataFrame({"population": ["B cell"], "term": ["age_years"], "effect": [-0.02]})
    report.build(path, title=HOSTILE, warnings=[HOSTILE], truth=truth, **make())
    return path.read_text(encoding="utf-8")


def downloads(page: str) -> dict[str, str]:
    found = re.findall(r'download="([^"]+)" href="data:text/tab-separated-values;base64,([^"]+)"', page)
    return {name: base64.b64decode(content).decode() for name, content in found}


def test_hostile_names_are_text(page):
    assert HOSTILE not in page
    assert html.escape(HOSTILE, quote=False).replace('"', "&#34;") in page
    assert page.count("<script>") == 1
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert html.unescape(policy).startswith("default-src 'none'; img-src data:")


def test_hostile_names_in_figures_are_text(page):
    images = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(images) >= 8
    drawn = [base64.b64decode(image).decode() for image in images]
    assert not any("<script" in svg for svg in drawn)
    assert any("&lt;script&gt;" in svg for svg in drawn)


def test_every_figure_has_a_text_alternative(page):
    alternatives = re.findall(r'<img src="[^"]+" alt="([^"]*)"', page)
    assert len(alternatives) == page.count("<img ")
    assert all(len(text) > 20 for text in alternatives)


def test_downloads_hold_the_whole_table(page):
    tables = make()
    found = downloads(page)
    rows = list(csv.DictReader(io.StringIO(found["populations.tsv"]), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len(rows) == len(tables["populations"])
    assert float(rows[0]["fraction"]) == tables["populations"]["fraction"][0]
    assert {"samples.tsv", "panels.tsv", "qc.tsv", "clusters.tsv", "effects.tsv", "meta.tsv"} <= set(found)


def test_a_list_among_the_warnings_keeps_its_lines(tmp_path):
    listed = ["not possible on SDY1 flow-8m:", *(f"  population {n} (not on the panel: CD{n})" for n in range(20))]
    warnings = ["\n".join(listed), "\n".join(listed[:2])]
    report.build(tmp_path / "r.html", title="T", warnings=warnings, samples=make()["samples"])
    written = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<summary>not possible on SDY1 flow-8m:</summary>" + "\n".join(listed) in written
    assert "<li>" + "\n".join(listed[:2]) + "</li>" in written
    assert ".notes li { white-space: pre-line; }" in written


def test_columns_that_are_empty_everywhere_are_in_the_download_only(page):
    heads = re.findall(r"<button type=\"button\">([^<]+)</button>", section(page, "studies"))
    assert "arm_name" in heads
    assert "visit_name" not in heads
    assert "visit_name" in downloads(page)["samples.tsv"].split("\n")[0].split("\t")


def test_summary_gives_the_numbers_and_the_answer(page):
    for name, value in (
        ("studies", 3),
        ("subjects", 24),
        ("files", 24),
        ("panels", 3),
        ("events kept (80%)", "19,200"),
    ):
        assert f"<dt>{name}</dt><dd>{value}</dd>" in page
    assert "lower: " in page


def test_same_input_same_bytes(tmp_path):
    for name in ("a.html", "b.html"):
        report.build(tmp_path / name, title="x", **make())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_large_table_is_cut_on_the_page_and_whole_in_the_download(tmp_path):
    qc = make()["qc"]
    many = pd.concat([qc.assign(file_name=[f"{i}_{j}.fcs" for j in range(len(qc))]) for i in range(50)])
    report.build(tmp_path / "r.html", title="x", qc=many)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    rest = len(many) - 300
    assert f"The first 300 of {len(many):,} rows: filter and sorting see these; the other {rest} are in qc.tsv," in text
    assert f"Download qc.tsv (all {len(many):,} rows)" in text
    assert "Filter these 300 rows" in text
    assert f'data-rest="; {rest} more rows are in qc.tsv only"' in text
    assert downloads(text)["qc.tsv"].count("\n") == len(many) + 1


def test_a_report_of_little_still_opens(tmp_path):
    report.build(tmp_path / "r.html", title="only samples", samples=make()["samples"])
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Studies and links" in text
    assert "Pooled effects" not in text


def section(page: str, identifier: str) -> str:
    """The HTML of one section."""
    [found] = re.findall(rf'<section id="{identifier}".*?</section>', page, re.DOTALL)
    return html.unescape(found)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("full") / "report.html"
    report.build(path, title="all", **more())
    return path.read_text(encoding="utf-8")


def test_every_table_has_its_section_and_download(full):
    tables = more()
    found = downloads(full)
    wanted = {"moderators", "subgroups", "cumulative", "asymmetry", "power", "batches", "reference", "places", "drift",
              "outliers", "annotations"}  # fmt: skip
    for name in wanted:
        rows = list(csv.DictReader(io.StringIO(found[f"{name}.tsv"]), delimiter="\t", quoting=csv.QUOTE_NONE))
        assert len(rows) == len(tables[name])
    order = re.findall(r'<section id="([^"]+)"', full)
    assert [name for name in order if name in wanted] == [
        "moderators", "subgroups", "cumulative", "asymmetry", "power", "drift", "annotations", "batches", "reference",
    ]  # fmt: skip
    assert HOSTILE not in full
    assert full.count("<script>") == 1


def test_meta_regression_names_what_it_found_and_draws_the_strongest_first(full):
    tables = more()
    slopes = tables["moderators"].query("coefficient == 'year'").sort_values("p_value")
    best = slopes.iloc[0]
    text = section(full, "moderators")
    for name in slopes.loc[slopes["q_value"] < 0.05, "population"]:
        assert name in text.split("q < 0.05 in ")[1].split(" (of 12")[0]
    first = re.findall(r'alt="([^"]+)"', text)[0]
    assert first == (
        f"Effect of age (years) on {best['population']} in each of 7 studies against year: {best['estimate']:.3g} per "
        f"unit, p = {best['p_value']:.2g}."
    )


def test_egger_has_funnels_and_power_the_range_of_effects(full):
    tables = more()
    text = section(full, "asymmetry")
    assert text.count("Funnel plot: effect of age (years)") == 12
    best = tables["asymmetry"].sort_values("p_value").iloc[0]
    assert f"on {best['population']} in 7 studies against its standard error; Egger's test p = " in text
    power = tables["power"]["detectable"]
    assert f"power of 80% is from {power.min():.3g} (" in section(full, "power")
    assert f" to {power.max():.3g} (" in section(full, "power")


def test_cumulative_and_subgroups_give_their_values(full):
    tables = more()
    last = tables["cumulative"].query("step == 7").sort_values("p_value").iloc[0]
    text = section(full, "cumulative")
    assert f"on {last['population']} as studies are added; after all 7: {last['estimate']:.3g} (" in text
    tests = tables["subgroups"].drop_duplicates("population").sort_values("p_between")
    found = f"p < 0.05 in {(tests['p_between'] < 0.05).sum()} of 12 tests"
    assert found in section(full, "subgroups")
    assert f"the smallest p is {tests['p_between'].iloc[0]:.2g}" in section(full, "subgroups")
    text = section(full, "subgroups")
    assert text.split('alt="')[1].startswith(
        f"Pooled effect of age (years) on {tests['population'].iloc[0]} by assay: "
    )
    assert f"p of their difference = {tests['p_between'].iloc[0]:.2g}." in text


def test_batches_are_shown_before_and_after(full):
    row = more()["batches"].iloc[1]
    text = section(full, "batches")
    assert (
        f"SDY2, populations by definition: 2 batches held {row['r2_before']:.0%} of the variance of 3 populations, "
        f"{row['r2_after']:.0%} after adjustment." in text
    )
    assert text.count("Mean of each batch in each population") == 3
    assert "The fractions are adjusted for batches" in section(full, "populations")


def test_batches_without_adjusted_populations_have_no_figure(tmp_path):
    tables = more()
    report.build(tmp_path / "r.html", title="x", batches=tables["batches"], populations=make()["populations"])
    text = section((tmp_path / "r.html").read_text(encoding="utf-8"), "batches")
    assert "<img" not in text
    assert "2 batches held" in text


def test_places_outside_the_range_are_counted(full):
    text = section(full, "reference")
    assert "2 of 3 fractions lie outside the 95 % range; by chance 5 % do. 1 could not be placed" in text
    assert "Percentiles of B cell for ages 20 to 80; the median is 34.5% to 40.5%." in text


def test_drift_and_names(full):
    assert "most outliers has <script>" in section(full, "drift")
    assert "with 4 % of its events" in section(full, "drift")
    assert "1 of 2 phenotypes have a class of the Cell Ontology." in section(full, "annotations")


def test_a_volcano_stands_beside_many_populations_only(full, page):
    assert "Pooled effect of age (years) against its p value, 12 populations" in section(full, "pooled")
    assert "against its p value" not in section(page, "pooled")
