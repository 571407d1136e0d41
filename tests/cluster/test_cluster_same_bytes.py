"""Every verb writes the same bytes for any number of threads, order of files, size of reads and process."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from immport_cyto.cluster import source
from support.cluster_events import T_CELLS, blobs, preprocessed
from support.cluster_study import PANEL, make_study, run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    study = make_study(tmp_path_factory.mktemp("study"), n_files=4)
    # a file larger than a read, so that threads share it
    X, _ = blobs(T_CELLS, [70_000, 40_000, 20_000, 10_000], seed=9)
    preprocessed(study.folder / "large" / "z.fcs", X, panel_id=PANEL)
    (study.folder / "merges.tsv").write_text("metacluster\tpopulation\n1\trest\n4\trest\n2\tB cells\n")
    return study


def verbs(study, files, out, *jobs):
    """Arguments of a run of each verb that maps or compares, in order."""
    labelled = [study.labelled[path.name] for path in files if path.name in study.labelled]
    yield "map", *files, "--model", study.model_path, "--out-dir", out / "map", "--drift", out / "drift.tsv", \
        "--outliers", out / "outliers.tsv", "--clusters", out / "map.tsv", "--medians", out / "map_medians.tsv", \
        "--outlier-channel", "--quiet", *jobs  # fmt: skip
    yield "merge", *files, "--model", study.model_path, "--table", study.folder / "merges.tsv", "--out", \
        out / "merged.npz", "--clusters", out / "merged.tsv", "--medians", out / "merged_medians.tsv", "--merges", \
        out / "merges.tsv", "--out-dir", out / "merge", "--quiet", *jobs  # fmt: skip
    yield "compare", *labelled, "--model", study.model_path, "--samples", study.samples_path, "--group", "arm_name", \
        "--out", out / "groups.tsv"  # fmt: skip
    yield (
        "flock",
        *files,
        "--models-dir",
        out / "flock",
        "--profiles",
        out / "profiles.tsv",
        "--counts",
        out / "counts.tsv",
        "--medians",
        out / "flock_medians.tsv",
        "--out-dir",
        out / "flocked",
        "--clusters",
        out / "populations.tsv",
        "--cluster-medians",
        out / "population_medians.tsv",
        "--quiet",
        *jobs,
    )
    model = out / "flock" / f"{PANEL}.npz"
    yield "merge", *files, "--model", model, "--by-profile", "--markers", "CD3,CD19", "--levels=-,lo/+,++", "--out", \
        out / "joined.npz", "--clusters", out / "joined.tsv", "--medians", out / "joined_medians.tsv", "--merges", \
        out / "joins.tsv", "--profiles", out / "joined_profiles.tsv", "--out-dir", out / "joined", "--quiet", \
        *jobs  # fmt: skip
    for how, option in (("plain", []), ("adjusted", ["--adjust"])):
        yield "flock-map", *files, "--model", model, "--out-dir", out / how, "--profiles", out / f"{how}.tsv", \
            "--quiet", *option, *jobs  # fmt: skip
    flocked = [out / "flocked" / path.name for path in files if path.name in study.labelled]
    yield "compare", *flocked, "--model", model, "--samples", study.samples_path, "--group", "arm_name", \
        "--out", out / "flock_groups.tsv", "--figures-dir", out / "figures"  # fmt: skip
    yield "compare", out / "map", "--labels", "FlowSOM_metacluster", "FLOCK_population", "--with", out / "plain", \
        "--out", out / "agreement.tsv", "--contingency", out / "contingency.tsv"  # fmt: skip


def content(out):
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def files(study):
    return [*study.files.values(), study.folder / "large" / "z.fcs"]


@pytest.fixture(scope="module")
def expected(study, files, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    for arguments in verbs(study, files, out, "--jobs", 1):
        run(*arguments)
    found = content(out)
    files_of = Counter(Path(name).suffix for name in found)
    assert files_of == {".fcs": 6 * 5, ".npz": 3, ".tsv": 22, ".svg": 1}
    return found


def same(out, expected):
    found = content(out)
    assert list(found) == list(expected)
    return [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.parametrize("block", [65_536, 10_007])
def test_threads_order_of_files_and_size_of_reads(study, files, expected, tmp_path, monkeypatch, block):
    monkeypatch.setattr(source, "BLOCK", block)
    for arguments in verbs(study, files[::-1], tmp_path, "--jobs", 2):
        run(*arguments)
    assert same(tmp_path, expected)


def test_another_process_with_other_hashes(study, files, expected, tmp_path):
    calls = [[str(argument) for argument in arguments] for arguments in verbs(study, files, tmp_path, "--jobs", 2)]
    code = f"from support.cluster_study import run\nfor call in {calls!r}:\n    run(*call)"
    support = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": support}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
    assert same(tmp_path, expected)
