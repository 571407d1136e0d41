"""``report build`` takes every table by an option of its name."""

import html
import re
import shlex

import pytest
from click.testing import CliRunner

from immport_cyto import tables
from immport_cyto.cli.report import group
from immport_cyto.report import over_studies
from support.report_tables import more


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    contracts = {table.name.removesuffix(".tsv"): table for table in tables.ALL}
    frames = more()
    frames["samples"] = frames["samples"].rename(columns={"batch": "plate"})
    for name, frame in frames.items():
        tables.write(frame, folder / f"{name}.tsv", contracts[name])
    return folder, sorted(frames)


def build(folder, names, *more_options):
    given = [part for name in names for part in (f"--{name.replace('_', '-')}", str(folder / f"{name}.tsv"))]
    return CliRunner().invoke(group, ["build", *given, *more_options, "--out", str(folder / "page.html")])


def test_all_tables_and_the_column_of_the_batches(written, monkeypatch):
    monkeypatch.setattr(over_studies, "_MOST", 1)  # figures of a section: the test is about the tables
    folder, names = written
    done = build(folder, names, "--batch", "plate")
    assert done.exit_code == 0, done.output
    page = (folder / "page.html").read_text(encoding="utf-8")
    sections = set(re.findall(r'<section id="([^"]+)"', page))
    assert {"moderators", "subgroups", "cumulative", "asymmetry", "power", "batches", "reference", "drift"} <= sections
    assert page.count("Mean of each batch in each population") == 3
    assert "&#34;batch&#34;: &#34;plate&#34;" in page
    command = html.unescape(re.search(r'<pre [^>]*aria-label="Command"[^>]*>([^<]+)</pre>', page)[1])
    words = shlex.split(command.replace("\\\n", ""))
    assert words[:5] == ["immport-cyto", "report", "build", "--title", "Cytometry of ImmPort studies"]
    assert {f"--{name.replace('_', '-')}" for name in names} <= set(words)
    assert words[-2:] == ["--out", "report.html"]


def test_the_column_of_the_batches_is_no_parameter_without_batches(written):
    folder, _ = written
    assert build(folder, ["power"]).exit_code == 0
    assert "&#34;batch&#34;" not in (folder / "page.html").read_text(encoding="utf-8")


def test_figures_are_counted_as_they_are_drawn(written):
    folder, names = written
    shown = build(folder, names)
    page = (folder / "page.html").read_bytes()
    drawn = page.count(b"<img ")
    assert drawn > 20
    lines = shown.stderr.splitlines()
    assert lines[0] == f"drawing figures: 0/{drawn}"
    assert lines[-1].startswith(f"drawing figures: {drawn}/{drawn} in ")
    assert build(folder, names, "--quiet").stderr == ""
    assert (folder / "page.html").read_bytes() == page


def test_a_table_under_another_name_is_refused(written):
    folder, _ = written
    done = CliRunner().invoke(group, ["build", "--power", str(folder / "drift.tsv"), "--out", str(folder / "no.html")])
    assert done.exit_code == 1
    assert "is missing from power.tsv" in str(done.exception)
    assert not (folder / "no.html").exists()
