"""``immport-cyto figure``: what is drawn, what is counted, what is refused."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, report, tables
from immport_cyto.cli.figure import group
from support.gating_files import HEAD, TAIL, axis, polygon, rectangle
from support.population_files import MARKERS, cells, write
from support.report_tables import HOSTILE, make

PANEL = "flow-6m-abc123"
NUMBER = {"CD4 T": 1, "CD8 T": 2, "B": 3, "NK": 4, "monocyte": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four labelled files of two studies, and the tables about them."""
    place = tmp_path_factory.mktemp("figures")
    samples, clusters, cuts = [], [], []
    for i in range(4):
        values, kinds = cells(600, i)
        label = np.array([NUMBER[kind] for kind in kinds], np.float32)
        write(place / f"s{i}.fcs", values, extra={"FlowSOM_metacluster": label, "FLOCK_population": label})
        study = f"SDY{1 + i // 2}"
        samples.append({"file_name": f"s{i}.fcs", "sample_id": f"ES{i}", "study_accession": study,
                        "subject_accession": f"SUB{i}", "arm_name": f"Arm {'AB'[i % 2]}",
                        "age_years": 20.0 + i})  # fmt: skip
    for name, number in NUMBER.items():
        clusters.append({"study_accession": "SDY1", "panel_id": PANEL, "metacluster": number, "n_nodes": 1,
                         "n_events": 10, "fraction": 0.2, "population": name})  # fmt: skip
    for study in ("SDY1", "SDY2"):
        cuts += [{"study_accession": study, "panel_id": PANEL, "marker": marker, "cutoff": 2.0 + (study == "SDY2"),
                  "method": "valley", "n_events": 600} for marker in MARKERS]  # fmt: skip
    tables.write(pd.DataFrame(samples), place / "samples.tsv", tables.SAMPLES)
    tables.write(pd.DataFrame(clusters), place / "clusters.tsv", tables.CLUSTERS)
    tables.write(pd.DataFrame(cuts), place / "cutoffs.tsv", tables.CUTOFFS)
    for name, contract in (("populations", tables.POPULATIONS), ("meta", tables.META), ("effects", tables.EFFECTS),
                           ("qc", tables.QC)):  # fmt: skip
        tables.write(make()[name], place / f"{name}.tsv", contract)
    tables.write(make()["samples"], place / "all_samples.tsv", tables.SAMPLES)
    return place


def run(folder, *arguments, out="figure.svg"):
    """Invoke with names of the folder filled in."""
    given = [str(folder / word) if (folder / word).is_file() else word for word in arguments]
    return CliRunner().invoke(group, [*given, "--out", str(folder / out), "--json", str(folder / "figure.json")])


def drawn(folder, *arguments):
    """Texts of the SVG, and the record."""
    (folder / "figure.svg").unlink(missing_ok=True)
    done = run(folder, *arguments)
    assert done.exit_code == 0, done.output + str(done.exception)
    svg = (folder / "figure.svg").read_text(encoding="utf-8")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return texts, json.loads((folder / "figure.json").read_text()), svg


FILES = ("s0.fcs", "s1.fcs", "s2.fcs", "s3.fcs")


def test_density_has_a_curve_per_file_in_the_colour_of_its_group(folder):
    texts, record, svg = drawn(folder, "density", *FILES, "--markers", "CD3,CD19", "--samples", "samples.tsv",
                               "--group", "arm_name", "--max-events", "100")  # fmt: skip
    assert {"CD3", "CD19", "Arm A", "Arm B", "arm name"} <= set(texts)
    assert record["counts"] == {"files": 4, "events": 2400, "events_shown": 400}
    assert record["parameters"]["group"] == "arm_name"
    assert len(record["inputs"]) == 5
    assert svg.count("stroke: #0072b2") == svg.count("stroke: #d55e00") == 5  # 2 markers x 2 files, legend


def test_stacked_densities_name_the_files_and_draw_the_cuts_of_their_study(folder):
    texts, _, svg = drawn(folder, "density", *FILES, "--markers", "CD3", "--layout", "stacked", "--samples",
                          "samples.tsv", "--cutoffs", "cutoffs.tsv")  # fmt: skip
    assert set(FILES) <= set(texts)
    assert any("line: cut-off" in text for text in texts)
    lines = re.findall(r'd="M ([\d.]+) [\d.]+ \nL ([\d.]+) [\d.]+ \n" clip-path[^>]*stroke: #1b2733', svg)
    assert len(lines) == 4
    assert len({x for x, _ in lines}) == 2


def test_pooled_densities_have_a_curve_per_group(folder):
    texts, _, _ = drawn(folder, "density", *FILES, "--markers", "CD3", "--layout", "stacked", "--samples",
                        "samples.tsv", "--group", "study_accession", "--pooled")  # fmt: skip
    assert {"SDY1", "SDY2"} <= set(texts)
    assert not set(FILES) & set(texts)


def test_many_numbers_are_a_colour_scale_and_few_are_a_legend(folder):
    texts, _, _ = drawn(folder, "density", *FILES, "--markers", "CD3", "--samples", "samples.tsv", "--group",
                        "age_years")  # fmt: skip
    assert {"20", "21", "22", "23", "age years"} <= set(texts)


def test_scatter_has_a_panel_per_file_with_the_lines_of_its_study(folder):
    texts, record, _ = drawn(folder, "scatter", *FILES, "--x", "CD4", "--y", "FL3-A", "--samples", "samples.tsv",
                             "--cutoffs", "cutoffs.tsv", "--y-line", "1.5")  # fmt: skip
    assert set(FILES) <= set(texts)
    assert record["counts"]["events_shown"] == 2400
    assert any("few (dark)" in text for text in texts)


@pytest.mark.parametrize("channel", ["FlowSOM_metacluster", "FLOCK_population"])
def test_clusters_have_numbers_and_names(folder, channel):
    texts, _, _ = drawn(folder, "scatter", *FILES, "--x", "CD4", "--y", "CD8", "--pooled", "--colour-by",
                        channel, "--clusters", "clusters.tsv")  # fmt: skip
    assert {"4 files", "1  CD4 T", "3  B", channel} <= set(texts)


def test_events_of_populations_are_coloured_by_their_cut_offs(folder, monkeypatch):
    seen = []
    original = report.figures.event_scatter
    monkeypatch.setattr(
        report.figures, "event_scatter", lambda plots, *a, **k: seen.extend(plots) or original(plots, *a, **k)
    )
    texts, record, _ = drawn(folder, "scatter", *FILES, "--x", "CD4", "--y", "CD8", "--population", "T=CD3+",
                             "--population", "B=CD19+", "--cutoffs", "cutoffs.tsv",
                             "--samples", "samples.tsv")  # fmt: skip
    assert {"1  T", "2  B", "other events", "population"} <= set(texts)
    assert record["parameters"]["populations"] == ["T=CD3+", "B=CD19+"]
    for number, plot in enumerate(seen):
        _, kinds = cells(600, number)
        share = np.bincount(plot.colouring.values, minlength=3) / 600
        assert share[1] == pytest.approx(np.isin(kinds, ["CD4 T", "CD8 T"]).mean(), abs=0.02)
        assert share[2] == pytest.approx((kinds == "B").mean(), abs=0.02)


def test_what_a_panel_cannot_answer_is_a_warning(folder):
    _, record, _ = drawn(folder, "overview", "s0.fcs", "--markers", "CD3,CD4", "--population", "M=CD14+", "--cutoffs",
                         "cutoffs.tsv", "--samples", "samples.tsv")  # fmt: skip
    assert record["warnings"] == [f"not possible on SDY1 {PANEL}:\n  M (not on the panel: CD14)"]


def test_overview_has_each_marker_and_says_what_it_leaves_out(folder):
    texts, record, _ = drawn(folder, "overview", "s0.fcs", "--markers", "CD3,CD4,CD8", "--colour-by", "CD19")
    assert texts.count("CD3") == 2  # above its density and below its column
    assert {"s0.fcs", "CD19"} <= set(texts)
    assert record["warnings"] == []


def test_embedding_is_coloured_by_the_clusters_that_the_files_have(folder):
    texts, record, _ = drawn(folder, "embedding", *FILES, "--markers", "CD3,CD19,CD56", "--max-events", "160")
    assert {"t-SNE 1", "CD3", "CD19", "CD56", "FlowSOM_metacluster"} <= set(texts)
    assert record["counts"] == {"files": 4, "events": 2400, "events_shown": 160}
    assert record["parameters"]["colour_by"] == "FlowSOM_metacluster"


def test_embedding_counts_its_iterations(folder):
    command = ("embedding", "s0.fcs", "--markers", "CD3,CD19", "--max-events", "60")
    lines = run(folder, *command).stderr.splitlines()
    assert lines[0] == "t-SNE iterations: 0/1000"
    assert lines[-2].startswith("t-SNE iterations: ")
    assert run(folder, *command, "--quiet").stderr.splitlines() == lines[-1:]


@pytest.mark.parametrize("command", [
    ("density", *FILES), ("scatter", *FILES, "--x", "CD3", "--y", "CD19"),
    ("overview", *FILES, "--markers", "CD3,CD4,CD8"),
    ("embedding", *FILES, "--max-events", "80"), ("scatter3d", *FILES, "--x", "CD3", "--y", "CD4", "--z", "CD8"),
    ("parallel", *FILES), ("boxes", *FILES, "--kind", "violin"),
], ids=lambda command: command[0])  # fmt: skip
def test_the_order_of_the_files_is_nothing(folder, command):
    """The same bytes, as PNG and as SVG."""
    name, *rest = command
    options = [word for word in rest if word not in FILES]
    for ending in ("svg", "png"):
        first, second = f"first.{ending}", f"second.{ending}"
        assert run(folder, name, *FILES, *options, out=first).exit_code == 0
        assert run(folder, name, *reversed(FILES), *options, out=second).exit_code == 0
        assert (folder / first).read_bytes() == (folder / second).read_bytes()


def test_groups_of_files_are_colours_without_numbers(folder):
    texts, record, _ = drawn(folder, "scatter", *FILES, "--x", "CD4", "--y", "CD8", "--pooled", "--group", "arm_name",
                             "--samples", "samples.tsv")  # fmt: skip
    assert {"Arm A", "Arm B", "arm name"} <= set(texts)
    assert record["parameters"]["group"] == "arm_name"
    texts, _, _ = drawn(folder, "overview", *FILES, "--markers", "CD4,CD8", "--group", "age_years", "--samples",
                        "samples.tsv")  # fmt: skip
    assert {"20", "21", "22", "23", "age years"} <= set(texts)


def test_more_than_eight_numbers_are_a_colour_scale():
    from immport_cyto.cli._figure_colours import Colours
    from immport_cyto.events.sampling import Sample

    names = tuple(f"f{i}" for i in range(9))
    some = Sample(("CD3",), np.zeros((18, 1), np.float32), np.repeat(np.arange(9), 2), names, 18, 0)
    ages = {name: 20.0 + i for i, name in enumerate(names)}
    colouring = Colours("age years", groups=ages)._of_groups(some)
    assert not colouring.is_cluster
    assert colouring.values.tolist() == np.repeat(list(ages.values()), 2).tolist()
    texts = Colours("arm", groups=dict(zip(names, ["", *"BABABABA"], strict=True)))._of_groups(some)
    assert texts.values[::2].tolist() == [0, 2, 1, 2, 1, 2, 1, 2, 1]
    assert texts.names == {1: "A", 2: "B"}


def test_three_dimensions_from_each_angle(folder):
    texts, record, svg = drawn(folder, "scatter3d", *FILES, "--x", "CD3", "--y", "CD4", "--z", "CD8", "--angles",
                               "-60,-15,30,75", "--clusters", "clusters.tsv", "--colour-by",
                               "FlowSOM_metacluster")  # fmt: skip
    assert {"from -60°", "from -15°", "from 30°", "from 75°", "1  CD4 T", "4 files"} <= set(texts)
    assert [texts.count(name) for name in ("CD3", "CD4", "CD8")] == [4, 4, 4]
    assert [texts.count(str(number)) >= 4 for number in NUMBER.values()] == [True] * 5  # ticks may say the same
    assert svg.count("<image") == 4
    assert record["parameters"]["angles"] == [-60, -15, 30, 75]
    assert record["counts"]["events_shown"] == 2400


def test_parallel_coordinates_have_a_panel_per_population(folder):
    texts, record, _ = drawn(folder, "parallel", *FILES, "--clusters", "clusters.tsv")
    assert {"1  CD4 T", "2  CD8 T", "3  B", "4  NK", "5  monocyte", *MARKERS, "scaled per marker"} <= set(texts)
    assert record["counts"] == {"files": 4, "events": 2400, "events_shown": 2400, "populations": 5}
    assert record["parameters"]["markers"] == list(MARKERS)
    shares = [float(text.removesuffix(" %")) for text in texts if text.endswith(" %")]
    assert shares == pytest.approx([40, 20, 15, 10, 15], abs=3)


def test_boxes_have_a_panel_per_marker_and_a_row_per_population(folder):
    texts, record, _ = drawn(folder, "boxes", *FILES, "--markers", "CD3,CD19", "--population", "T=CD3+", "--cutoffs",
                             "cutoffs.tsv", "--samples", "samples.tsv")  # fmt: skip
    assert {"CD3", "CD19", "1  T"} <= set(texts)
    assert record["counts"]["populations"] == 1
    assert record["counts"]["events_of_none"] == pytest.approx(0.4 * 2400, abs=100)
    texts, _, _ = drawn(folder, "boxes", *FILES, "--group", "arm_name", "--samples", "samples.tsv", "--kind", "violin")
    assert {"Arm A", "Arm B"} <= set(texts)
    assert any("inner 99 %" in text for text in texts)


GATES = HEAD + "".join([
    polygon("Cells", (axis("FSC-A"), axis("SSC-A")), ((20, 5), (90, 5), (90, 80), (20, 80))),
    rectangle("bright", axis("FL1-A", min=500), parent="Cells"), rectangle("CD3 high", axis("FL1-A", max=500)),
]) + TAIL  # fmt: skip


@pytest.fixture(scope="module")
def acquired(tmp_path_factory):
    """Two files as acquired, and gates."""
    place = tmp_path_factory.mktemp("acquired")
    (place / "gates.xml").write_text(GATES)
    for number in (1, 2):
        rng = np.random.default_rng(number)
        values = np.column_stack([rng.uniform(0, 100, (1000, 2)), rng.uniform(0, 1000, 1000)])
        fcs.write(place / f"r{number}.fcs", values.astype(np.float32), [("FSC-A", ""), ("SSC-A", ""), ("FL1-A", "CD3")])
    return place


def test_gates_have_the_shares_of_all_events(acquired):
    texts, record, svg = drawn(acquired, "scatter", "r1.fcs", "r2.fcs", "--x", "FSC-A", "--y", "SSC-A", "--gates",
                               "gates.xml", "--max-events", "100")  # fmt: skip
    for number in (1, 2):
        cells = np.random.default_rng(number).uniform(0, 100, (1000, 2))
        inside = ((cells > (20, 5)) & (cells < (90, 80))).all(axis=1)
        assert f"{100 * inside.mean():.3g} % of all events" in texts
    assert texts.count("Cells") == 2
    assert record["counts"] == {"files": 2, "events": 2000, "events_shown": 200, "gates": 1}
    (warning,) = record["warnings"]
    assert warning == "2 of 3 gates are not drawn, since they are not in FSC-A and SSC-A alone: CD3 high, bright"
    assert len(record["inputs"]) == 3
    assert svg.count("stroke: #ffffff; stroke-width: 2.6") == 2  # a halo per outline


def test_gates_of_all_files_and_events_of_one_gate(acquired):
    texts, record, _ = drawn(acquired, "scatter", "r1.fcs", "r2.fcs", "--x", "CD3", "--y", "FSC-A", "--gates",
                             "gates.xml", "--gate", "bright", "--inside", "Cells", "--pooled")  # fmt: skip
    cells, bright = 0, 0
    for number in (1, 2):
        rng = np.random.default_rng(number)
        place, light = rng.uniform(0, 100, (1000, 2)), rng.uniform(0, 1000, 1000)
        inside = ((place > (20, 5)) & (place < (90, 80))).all(axis=1)
        cells, bright = cells + inside.sum(), bright + (inside & (light.astype(np.float32) >= 500)).sum()
    assert {"2 files", "bright", "CD3 (FL1-A)", f"{100 * bright / cells:.3g} % of Cells"} <= set(texts)
    assert record["counts"] == {"files": 2, "events": cells, "events_shown": cells, "gates": 1}
    assert record["warnings"] == []


def test_files_without_events_have_empty_panels(acquired):
    fcs.write(acquired / "none.fcs", np.empty((0, 3), np.float32), [("FSC-A", ""), ("SSC-A", ""), ("FL1-A", "CD3")])
    texts, _, _ = drawn(acquired, "scatter", "none.fcs", "r1.fcs", "--x", "FSC-A", "--y", "FL1-A", "--gates",
                        "gates.xml")  # fmt: skip
    assert {"none.fcs", "no events in Cells", "no events in the file"} <= set(texts)
    texts, record, _ = drawn(acquired, "scatter3d", "none.fcs", "--x", "FSC-A", "--y", "SSC-A", "--z", "CD3")
    assert record["counts"]["events_shown"] == 0
    assert "CD3" in texts


def test_a_scale_of_gates_is_marked_in_powers_of_ten():
    plot = report.figures.Plot("a", np.array([[0.1, 2e4], [0.9, 5e4]]))
    marks = ([(0.0, 0.1), (1e5, 0.9), (1e4, 0.7), (1e3, 0.12), (-1e3, -0.4)], [])
    (axes,) = report.figures.event_scatter([plot], "x", "y", marks=marks).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "10⁴", "10⁵"]
    assert axes.yaxis.get_major_formatter()(20_000) == "20K"


@pytest.mark.parametrize(("arguments", "code", "message"), [
    (("--gate", "Cells"), 2, "--gate needs --gates"),
    (("--inside", "Cells"), 2, "--inside needs --gates"),
    (("--gates", "gates.xml", "--cofactor", "5"), 2, "leave --cofactor out"),
    (("--gates", "gates.xml", "--colour-by", "CD3"), 2, "leave --colour-by out"),
    (("--gates", "gates.xml", "--inside", "B"), 1, "there is no gate 'B'; the file has Cells, CD3 high, bright"),
    (("--gates", "gates.xml", "--gate", "bright"), 1, "gate 'bright' is in FL1-A, so it has no outline in FSC-A and"),
    (("--gates", "r2.fcs",), 1, "r2.fcs: is not well-formed XML"),
])  # fmt: skip
def test_gates_that_cannot_be_drawn(acquired, arguments, code, message):
    done = run(acquired, "scatter", "r1.fcs", "--x", "FSC-A", "--y", "SSC-A", *arguments, out="none.svg")
    assert done.exit_code == code
    assert message in " ".join(done.output.split()) + str(done.exception)
    assert not (acquired / "none.svg").exists()


def test_tables_as_figures(folder):
    texts, record, _ = drawn(folder, "heatmap", "--populations", "populations.tsv", "--samples", "all_samples.tsv",
                             "--group", "arm_name")  # fmt: skip
    assert {"Naive CD4 T cell", "B cell", "Arm A"} <= set(texts)
    assert record["counts"] == {"populations": 3, "files": 24}
    texts, record, _ = drawn(folder, "populations", "populations.tsv", "--samples", "all_samples.tsv", "--by", "sex",
                             "--population", "B cell")  # fmt: skip
    assert {"SDY1", "SDY2", "SDY3", "Male", "Female", "B cell"} <= set(texts)
    assert record["parameters"]["populations"] == ["B cell"]
    texts, record, _ = drawn(folder, "quality", "qc.tsv")
    assert record["counts"] == {"files": 24, "events": 24_000, "events_kept": 19_200}


def test_medians_of_a_marker_instead_of_fractions(folder, monkeypatch):
    seen = []
    original = report.figures.abundances
    monkeypatch.setattr(report.figures, "abundances", lambda *a, **k: seen.append(original(*a, **k)) or seen[-1])
    rows = make()["populations"]
    own = rows.loc[rows["population"] == "B cell", ["file_name", "method", "population"]]
    medians = pd.concat([
        own.assign(marker="CD19", median=np.linspace(-1, 1, len(own))), own.assign(marker="CD20", median=9.0),
    ])  # fmt: skip
    tables.write(medians, folder / "medians.tsv", tables.MEDIANS)
    texts, record, _ = drawn(folder, "populations", "populations.tsv", "--samples", "all_samples.tsv", "--by",
                             "age_years", "--population", "B cell", "--medians", "medians.tsv", "--marker",
                             "CD19")  # fmt: skip
    assert "median CD19" in texts
    assert not any("% of" in text for text in texts)
    assert record["parameters"]["marker"] == "CD19"
    assert len(record["inputs"]) == 3
    drawn_values = np.concatenate([axes.collections[0].get_offsets()[:, 1] for axes in seen[0].axes])
    assert sorted(drawn_values) == pytest.approx(np.linspace(-1, 1, len(own)))
    for arguments, code, message in (
        (["--marker", "CD19"], 2, "give --medians and --marker together"),
        (["--medians", "medians.tsv", "--marker", "CD3"], 1, "--marker 'CD3' is not in it; use one of: CD19, CD20"),
    ):
        done = run(folder, "populations", "populations.tsv", "--samples", "all_samples.tsv", "--by", "sex", *arguments)
        assert done.exit_code == code
        assert message in done.output + str(done.exception)


@pytest.mark.parametrize(("kind", "seen"), [("all", "B cell  (k = 3)"), ("volcano", "-log10 p")])
def test_pooled_effects_of_all_populations(folder, kind, seen):
    texts, record, _ = drawn(folder, "pooled", "meta.tsv", "--kind", kind)
    assert seen in texts
    assert record["counts"] == {"populations": 3}


@pytest.mark.parametrize(("kind", "seen"), [("one", "pooled  (k = 3)"), ("funnel", "standard error")])
def test_the_studies_of_one_population(folder, kind, seen):
    texts, record, _ = drawn(folder, "pooled", "meta.tsv", "--kind", kind, "--effects", "effects.tsv", "--population",
                             "B cell")  # fmt: skip
    assert {seen, "B cell"} <= set(texts)
    assert record["counts"] == {"populations": 1, "studies": 3}


def test_hostile_names_are_text(folder):
    _, _, svg = drawn(folder, "populations", "populations.tsv", "--samples", "all_samples.tsv", "--by", "arm_name",
                      "--population", HOSTILE)  # fmt: skip
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg


@pytest.mark.parametrize(("arguments", "message"), [
    (("density", *FILES, "--markers", "CD99"), "none of the 4 files has a marker or channel 'CD99'; correct --markers"),
    (("density", *FILES, "--samples", "samples.tsv", "--group", "plate"), "has no column 'plate'"),
    (("density", *FILES, "--cutoffs", "cutoffs.tsv"), "has cut-offs of CD3 of several studies; give --samples"),
    (("density", *FILES, "--samples", "all_samples.tsv"), "s0.fcs: has no row in"),
    (("density", *FILES, "--cofactor", "5"), "is preprocessed"),
    (("scatter", "s0.fcs", "--x", "CD3", "--y", "CD44"), "s0.fcs: has no marker or channel 'CD44'"),
    (("overview", "s0.fcs", "--markers", "CD3"), "an overview needs two markers or more"),
    (("embedding", "s0.fcs", "--max-events", "10"), "10 events are too few"),
    (("scatter3d", "s0.fcs", "--x", "CD3", "--y", "CD4", "--z", "CD3"), "name a channel twice"),
    (("scatter3d", "s0.fcs", "--x", "CD3", "--y", "CD4", "--z", "CD8", "--angles", "0,1,2,3,4"), "give one to four"),
    (("scatter3d", "s0.fcs", "--x", "CD3", "--y", "CD4", "--z", "CD8", "--angles", "inf"), "give one to four"),
    (("parallel", "s0.fcs", "--markers", "CD3"), "need two markers or more"),
    (("parallel", "s0.fcs", "--colour-by", "CD19"), "'CD19' is no channel of clusters or groups"),
    (("boxes", "s0.fcs", "--population", "T=CD3+ CD19+ CD56+", "--cutoffs", "cutoffs.tsv", "--samples", "samples.tsv"),
     "holds no population with events"),
    (("heatmap", "--populations", "populations.tsv", "--method", "flock"), "'flock' is not in it; use one of: search"),
    (("populations", "populations.tsv", "--samples", "all_samples.tsv", "--by", "sex", "--population", "X"),
     "--population 'X' is not in it"),
    (("pooled", "meta.tsv", "--term", "sex"), "--term 'sex' is not in it; use one of: age_years"),
    (("quality", "meta.tsv"), "is missing from qc.tsv"),
])  # fmt: skip
def test_one_sentence_and_no_figure(folder, arguments, message):
    (folder / "none.svg").unlink(missing_ok=True)
    done = run(folder, *arguments, out="none.svg")
    assert done.exit_code == 1
    assert message in str(done.exception)
    assert not (folder / "none.svg").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (("density", *FILES, "--group", "sex"), "--group needs --samples"),
    (("heatmap",), "give either --clusters with --medians, or --populations"),
    (("heatmap", "--clusters", "clusters.tsv"), "--clusters needs --medians"),
    (("pooled", "meta.tsv", "--kind", "one"), "--kind one needs --effects"),
    (("pooled", "meta.tsv", "--population", "B cell"), "leave --population out"),
    (("scatter", "s0.fcs", "--x", "CD3", "--y", "CD4", "--population", "T=CD3+"), "--population needs --cutoffs"),
    (("scatter", "s0.fcs", "--x", "CD3", "--y", "CD4", "--population", "CD3+", "--cutoffs", "cutoffs.tsv"),
     "'CD3+' is not of the form NAME=GATES"),
    (("overview", "s0.fcs", "--colour-by", "CD3", "--population", "T=CD3+"), "give the colour in two ways"),
    (("parallel", "s0.fcs", "--group", "arm_name", "--population", "T=CD3+", "--samples", "samples.tsv"),
     "give the colour in two ways"),
    (("scatter", "s0.fcs", "--x", "CD3", "--y", "CD4", "--group", "sex"), "--group needs --samples"),
    (("scatter", "s0.fcs", "--x", "CD3", "--y", "CD4", "--clusters", "clusters.tsv"),
     "--clusters names clusters, so it needs"),
])  # fmt: skip
def test_wrong_usage(folder, arguments, message):
    done = run(folder, *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
