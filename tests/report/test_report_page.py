"""The page: everything from outside is escaped, every table can be downloaded whole, the bytes repeat."""

import base64
import csv
import html
import io
import re

import pandas as pd
import pytest

from immport_cyto import report
from support.report_tables import HOSTILE, make


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
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert html.unescape(policy[1]).startswith("default-src 'none'; img-src data:")


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
    assert f"The first 300 of {len(many)} rows; the download holds all." in text
    assert downloads(text)["qc.tsv"].count("\n") == len(many) + 1


def test_a_report_of_little_still_opens(tmp_path):
    report.build(tmp_path / "r.html", title="only samples", samples=make()["samples"])
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Studies and links" in text
    assert "Pooled effects" not in text
