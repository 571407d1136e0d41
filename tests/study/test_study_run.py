"""The run: same bytes for any number of processes, goes on after a kill, one bad file does not stop the others."""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from immport_cyto import study, tables
from immport_cyto.cli._main import cli
from immport_cyto.exceptions import (
    AnalysisError,
    DefinitionError,
    FormulaError,
    InputError,
    LinkError,
    OptionError,
    OutputExistsError,
    PanelError,
)
from immport_cyto.study import work

pytestmark = pytest.mark.xdist_group("run")


def write_config(folder: Path, data: Path, names: list[str], **changes: object) -> Path:
    content: dict[str, object] = {
        "title": "Test",
        "studies": [
            {"metadata": str(data / name / f"{name}-DR99_Tab.zip"), "fcs": str(data / name / "ResultFiles")}
            for name in names
        ],
        "populations": str(data / "definitions.tsv"),
        "cluster": {"grid": [5, 5], "metaclusters": 8, "seed": 1},
        "model": {"formula": "age_years"},
    }
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def copied(test_data, tmp_path_factory) -> Path:
    """Two of the simulated studies, to be changed by the tests."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("SDY9901", "SDY9903", "definitions.tsv", "damaged", "orphan"):
        source = test_data / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def finished(copied, tmp_path_factory) -> Path:
    """A run on one process."""
    folder = tmp_path_factory.mktemp("finished")
    config = study.read(write_config(folder, copied, ["SDY9901", "SDY9903"]))
    study.run(config, folder / "out", jobs=1, quiet=True)
    return folder / "out"


def digests(out: Path) -> dict[str, str]:
    """Checksums of everything that a run gives to its user."""
    paths = [p for p in sorted(out.rglob("*")) if p.is_file() and "work" not in p.relative_to(out).parts]
    kept = [p for p in paths if p.name not in ("run.log", "run.json")]
    return {str(p.relative_to(out)): hashlib.sha256(p.read_bytes()).hexdigest() for p in kept}


def test_short_memory_gives_fewer_processes_and_the_same_bytes(finished, copied, tmp_path, monkeypatch):
    """As Galaxy would have it: the files are small, so a process is some 200 MB (preprocess) or 300 MB (a panel)."""
    config = write_config(tmp_path, copied, ["SDY9901", "SDY9903"])
    monkeypatch.setenv("GALAXY_SLOTS", "8")
    monkeypatch.setenv("GALAXY_MEMORY_MB", "540")
    command = ["study", "run", str(config), "--out", str(tmp_path / "out"), "--quiet"]
    done = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = (tmp_path / "out" / "run.log").read_text(encoding="utf-8")
    assert re.search(r"preprocess: 1 at a time and not 8, for 20\d MB each in 540 MB", said)
    assert re.search(r"cluster and search: 1 at a time and not 2, for 30\d MB each in 540 MB", said)
    assert digests(tmp_path / "out") == digests(finished)


def test_two_processes_give_the_same_bytes(finished, copied, tmp_path):
    config = study.read(write_config(tmp_path, copied, ["SDY9903", "SDY9901"]))
    study.run(config, tmp_path / "out", jobs=2, quiet=True)
    one, two = digests(finished), digests(tmp_path / "out")
    assert set(one) == set(two)
    assert [name for name in one if one[name] != two[name]] == []
    assert {"report.html", "meta.tsv", "samples.tsv", "provenance.json"} <= set(one)


def test_densities_of_every_used_file_are_kept_and_shown(finished):
    qc = tables.read(finished / "qc.tsv", tables.QC).set_index("file_name")
    curves = tables.read(finished / "channel_densities.tsv", tables.CHANNEL_DENSITIES)
    assert set(curves["file_name"]) == set(qc.index)
    small = curves[curves["file_name"].map(qc["n_events_in"]) <= 20_000]  # of larger files a sample is counted
    kept = small["after"].map(lambda cell: sum(map(int, cell.split(";"))))
    assert list(kept) == list(small["file_name"].map(qc["n_events_out"]))
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert '<section id="densities"' in page
    samples = tables.read(finished / "samples.tsv", tables.SAMPLES)
    for (name, panel_id), files in samples.groupby(["study_accession", "panel_id"]):
        assert f"channels in {len(files)} files of {name} {panel_id} before and after preprocessing" in page


def test_a_killed_run_goes_on_without_redoing_finished_files(finished, copied, tmp_path):
    config = write_config(tmp_path, copied, ["SDY9901", "SDY9903"])
    out = tmp_path / "out"
    command = [sys.executable, "-m", "immport_cyto", "study", "run", str(config), "--out", str(out), "--jobs", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as run:
        deadline = time.monotonic() + 120
        while len(list(out.glob("work/preprocess/*/qc.json"))) < 4 and run.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(run.pid, signal.SIGKILL)
    done = {path: path.stat().st_mtime_ns for path in out.glob("work/preprocess/*/events.fcs")}
    complete = {path: stamp for path, stamp in done.items() if ".part-" not in str(path)}
    assert 4 <= len(complete) < 14
    again = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in complete} == complete
    assert digests(out) == digests(finished)


def test_a_run_with_other_options_leaves_nothing_of_the_first(finished, copied, tmp_path):
    shutil.copytree(finished, tmp_path / "out", symlinks=True)
    assert len(list((tmp_path / "out" / "fcs").iterdir())) > 10
    one = study.read(write_config(tmp_path, copied, ["SDY9903"]))
    study.run(one, tmp_path / "out", jobs=1, resume=True, quiet=True)
    study.run(one, tmp_path / "fresh", jobs=1, quiet=True)
    assert digests(tmp_path / "out") == digests(tmp_path / "fresh")


def test_a_script_needs_no_guard(finished, copied, tmp_path):
    """Worker processes do not run the caller's script again."""
    config = write_config(tmp_path, copied, ["SDY9901", "SDY9903"])
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from immport_cyto import study\n"
        "with Path('runs').open('a') as runs:\n"
        "    runs.write('x')\n"
        f"study.run(study.read({str(config)!r}), 'out', jobs=2, quiet=True)\n",
        encoding="utf-8",
    )
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True)
    assert (tmp_path / "runs").read_text() == "x"
    assert digests(tmp_path / "out") == digests(finished)


def test_a_second_run_stays_out_of_a_folder_at_work(finished, copied, tmp_path):
    config = study.read(write_config(tmp_path, copied, ["SDY9901", "SDY9903"]))
    before = digests(finished)
    with (finished / "run.log").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(OutputExistsError, match="another run is at work in this folder; wait for its end"):
            study.run(config, finished, resume=True, quiet=True)
    assert digests(finished) == before


def test_a_worker_that_the_system_ends_is_one_sentence(copied, tmp_path, monkeypatch):
    config = study.read(write_config(tmp_path, copied, ["SDY9901"]))
    monkeypatch.setattr(work, "preprocess", _ended_by_the_system)
    with pytest.raises(AnalysisError, match="ended a worker process, often for lack of memory; .* --resume and fewer"):
        study.run(config, tmp_path / "out", jobs=2, quiet=True)


def _ended_by_the_system(job: object) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return str(job)


def test_an_existing_folder_is_not_touched(finished, copied, tmp_path):
    config = study.read(write_config(tmp_path, copied, ["SDY9901"]))
    before = digests(finished)
    with pytest.raises(OutputExistsError, match="not empty; add --resume to go on with it, or choose another folder"):
        study.run(config, finished, quiet=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precious.txt").write_text("x")
    with pytest.raises(OutputExistsError, match="not empty; choose another folder"):
        study.run(config, tmp_path / "other", quiet=True)
    with pytest.raises(OutputExistsError, match="holds no run to resume"):
        study.run(config, tmp_path / "other", resume=True, quiet=True)
    assert digests(finished) == before
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["precious.txt"]


@pytest.fixture
def changed(copied, tmp_path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(copied, tmp_path / "data")
    return tmp_path / "data"


def test_one_damaged_file_is_reported_and_the_others_go_on(changed, tmp_path):
    (damaged,) = (changed / "damaged").iterdir()
    target = next((changed / "SDY9901").rglob(damaged.name))
    shutil.copy(damaged, target)
    result = study.run(
        study.read(write_config(tmp_path, changed, ["SDY9901", "SDY9903"])), tmp_path / "out", quiet=True
    )
    failures = tables.read(tmp_path / "out" / "failures.tsv", tables.FAILURES)
    assert failures["file_name"].tolist() == [damaged.name]
    assert failures["message"][0].startswith(f"{damaged.name}: ")
    assert str(tmp_path) not in failures["message"][0]
    assert result.counts["files_failed"] == 1
    assert result.counts["files_used"] == result.counts["files"] - 1
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert failures["message"][0].split(";")[0][:40] in page


def test_a_file_that_the_metadata_do_not_know_stops_the_run_or_is_reported(changed, tmp_path):
    (orphan,) = (changed / "orphan").iterdir()
    shutil.copy(orphan, next((changed / "SDY9901" / "ResultFiles").rglob("*.fcs")).parent)
    config = study.read(write_config(tmp_path, changed, ["SDY9901", "SDY9903"]))
    with pytest.raises(LinkError, match=f"{orphan.name}: .*add --allow-orphans to leave it out"):
        study.run(config, tmp_path / "a", quiet=True)
    result = study.run(config, tmp_path / "b", allow_orphans=True, quiet=True)
    assert any(orphan.name in text for text in result.warnings)
    assert orphan.name not in set(tables.read(tmp_path / "b" / "samples.tsv", tables.SAMPLES)["file_name"])


def test_two_studies_with_the_same_file_name_are_refused(changed, tmp_path):
    first = next((changed / "SDY9901" / "ResultFiles").rglob("*.fcs"))
    second = next((changed / "SDY9903" / "ResultFiles").rglob("*.fcs"))
    second.rename(second.with_name(first.name))
    config = study.read(write_config(tmp_path, changed, ["SDY9901", "SDY9903"]))
    with pytest.raises(LinkError, match="two FCS files are named .*rename one"):
        study.run(config, tmp_path / "out", quiet=True)


def test_no_readable_file_is_one_sentence(changed, tmp_path):
    for path in (changed / "SDY9901" / "ResultFiles").rglob("*.fcs"):
        path.write_bytes(b"not FCS")
    with pytest.raises(AnalysisError, match="no FCS file could be read"):
        study.run(study.read(write_config(tmp_path, changed, ["SDY9901"])), tmp_path / "out", quiet=True)


def test_studies_without_a_common_marker_are_refused(changed, tmp_path):
    corrections = tmp_path / "corrections.tsv"
    names = [p.name for p in (changed / "SDY9903" / "ResultFiles").rglob("*.fcs")]
    panel = study_panel(changed)
    rows = ["file\tchannel\tantigen\trole"]
    rows += [f"*.9903*.fcs\t{colname}\t\tdetector" for colname in panel]
    corrections.write_text("\n".join(rows) + "\n")
    config = write_config(tmp_path, changed, ["SDY9901", "SDY9903"], panels={"corrections": str(corrections)})
    assert names
    with pytest.raises(PanelError, match="have no marker in common"):
        study.run(study.read(config), tmp_path / "out", quiet=True)


def study_panel(data: Path) -> list[str]:
    from immport_cyto import panel

    files = {p.name: p for p in (data / "SDY9903" / "ResultFiles").rglob("*.fcs")}
    found = panel.harmonize(files).panel
    return sorted(set(found.loc[found["role"] == "marker", "fcs_colname"]))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model": {"formula": "height"}}, FormulaError, "height"),
        (
            {"model": {"formula": "age_years + sex", "baseline": {"sex": "Femal"}}},
            FormulaError,
            "reference level 'Femal' of 'sex' is in no sample; use one of: Female, Male",
        ),
        (
            {"model": {"formula": "age_years", "baseline": {"arm_name": "A"}}},
            OptionError,
            "baseline names 'arm_name', which is not a category of the formula",
        ),
        ({"populations": [{"population": "x", "definition": "CD3+ nonsense"}]}, DefinitionError, "nonsense"),
    ],
)
def test_a_wrong_option_stops_before_any_work(copied, tmp_path, changes, error, message):
    config = study.read(write_config(tmp_path, copied, ["SDY9901"], **changes))
    with pytest.raises(error, match=message):
        study.run(config, tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_named(copied, tmp_path):
    (tmp_path / "nothing").mkdir()
    package = copied / "SDY9901" / "SDY9901-DR99_Tab.zip"
    config = write_config(tmp_path, copied, [], studies=[{"metadata": str(package), "fcs": "nothing"}])
    with pytest.raises(InputError, match=r"no FCS file in this folder; correct studies\[1\].fcs"):
        study.run(study.read(config), tmp_path / "out", quiet=True)
