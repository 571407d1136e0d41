"""What goes into a run: files linked to samples, guesses reported, everything that was read in the provenance."""

import shutil
from pathlib import Path

import pytest
import yaml

from immport_cyto import fcs, panel, study
from immport_cyto.exceptions import LinkError
from immport_cyto.study import inputs
from immport_cyto.study.state import RunState
from immport_cyto.study.steps import Steps


@pytest.fixture
def data(test_data, tmp_path) -> Path:
    """Two of the simulated studies, to be changed by the tests."""
    for name in ("SDY9901", "SDY9903"):
        shutil.copytree(test_data / name, tmp_path / name)
    shutil.copy(test_data / "definitions.tsv", tmp_path)
    return tmp_path


def state(data: Path, studies: list[dict[str, str]], **changes: object) -> RunState:
    path = data / "study.yaml"
    path.write_text(yaml.safe_dump({"studies": studies} | changes), encoding="utf-8")
    return RunState(study.read(path), data / "out", 1, True, lambda text: None, Steps(data / "out" / "work"))


def metadata(name: str) -> str:
    return f"{name}/{name}-DR99_Tab.zip"


def test_a_guess_of_the_link_is_a_warning_of_the_run(data):
    first = min((data / "SDY9901" / "ResultFiles").rglob("*.fcs"))
    number = first.name.split(".")[-2]
    renamed = first.rename(first.with_name(f"renamed in the freezer room.{number}.fcs"))
    # nothing in the file says what it is, so that only the number in its name is left
    renamed.write_bytes(b"not FCS")
    run = state(data, [{"metadata": metadata("SDY9901"), "fcs": "SDY9901/ResultFiles"}])
    _, samples = inputs.link(run, allow_orphans=False)
    assert samples.set_index("file_name").loc[renamed.name, "link_rule"] == "file_info_id"
    assert f"{renamed.name} is linked by its file_info_id, though ImmPort calls that file {first.name}" in run.warnings


def test_a_guess_on_the_metadata_is_a_warning_of_the_run(data):
    package = data / metadata("SDY9901")
    shutil.unpack_archive(package, data / "tab")
    study_table = next((data / "tab").rglob("study.txt"))
    text = study_table.read_text(encoding="utf-8")
    study_table.write_text(text.replace("SDY9901", "SDY9909"), encoding="utf-8")
    run = state(data, [{"metadata": "tab", "fcs": "SDY9901/ResultFiles"}])
    inputs.link(run, allow_orphans=False)
    assert any("study.txt does not list SDY9901, which other tables name" in text for text in run.warnings)


def test_studies_may_share_a_folder(data):
    both = data / "all"
    for name in ("SDY9901", "SDY9903"):
        shutil.copytree(data / name / "ResultFiles", both / name)
    names = ["SDY9903", "SDY9901"]
    run = state(data, [{"metadata": metadata(name), "fcs": "all"} for name in names])
    files, samples = inputs.link(run, allow_orphans=False)
    apart = state(data, [{"metadata": metadata(name), "fcs": f"{name}/ResultFiles"} for name in names])
    assert samples.equals(inputs.link(apart, allow_orphans=False)[1])
    assert set(files) == set(samples["file_name"])
    assert run.warnings == apart.warnings == [text for text in run.warnings if "metadata without file" in text]
    (both / "unknown.fcs").write_bytes(b"not FCS")
    with pytest.raises(LinkError, match="^unknown.fcs: this FCS file has no match in the metadata"):
        inputs.link(run, allow_orphans=False)


def test_one_file_that_two_studies_know_is_refused(data):
    run = state(data, [{"metadata": metadata("SDY9901"), "fcs": "SDY9901/ResultFiles"}] * 2)
    with pytest.raises(LinkError, match="linked to SDY9901; rename the file of one study"):
        inputs.link(run, allow_orphans=False)


def test_parameters_hold_no_folder_and_the_inputs_are_all_that_is_read(data):
    (data / "spill.csv").write_text("x")
    (data / "corrections.tsv").write_text("x")
    (data / "tab").mkdir()
    (data / "tab" / "study.txt").write_text("x")
    config = state(
        data,
        [
            {"metadata": metadata("SDY9901"), "fcs": "SDY9901/ResultFiles"},
            {"metadata": "tab", "fcs": "SDY9903/ResultFiles"},
        ],
        preprocess={"compensation": "spill.csv"},
        panels={"corrections": "corrections.tsv"},
        populations="definitions.tsv",
    ).config
    parameters = config.parameters()
    assert parameters["preprocess"]["compensation"] == "spill.csv"
    assert (parameters["populations"], parameters["corrections"]) == ("definitions.tsv", "corrections.tsv")
    assert str(data) not in str(parameters)
    assert {path.relative_to(data).as_posix() for path in config.inputs()} == {
        "SDY9901/SDY9901-DR99_Tab.zip", "tab/study.txt", "corrections.tsv", "definitions.tsv", "spill.csv",
    }  # fmt: skip


def test_reagents_of_the_package_name_channels_without_a_stain(data):
    """A file that lost its $PnS is read by what its package says that it was stained with."""
    path = min((data / "SDY9901" / "ResultFiles").rglob("*.fcs"))
    f = fcs.open(path)
    read = [panel.parse_channel(c.pnn, c.pns) for c in f.channels]
    bare = [(c.pnn, "" if reading.role == "marker" else c.pns) for c, reading in zip(f.channels, read, strict=True)]
    keywords = {name: value for name, value in f.keywords.items() if not name.startswith("$P")}
    values = f.raw().copy()
    fcs.write(path, values, bare, keywords)
    run = state(data, [{"metadata": metadata("SDY9901"), "fcs": "SDY9901/ResultFiles"}])
    files, samples = inputs.link(run, allow_orphans=False)
    studies = dict(zip(samples["file_name"], samples["study_accession"], strict=True))
    found = inputs.harmonise(run, {path.name: files[path.name]}, studies).panel.set_index("channel_number")
    stained = {number: reading.antigen for number, reading in enumerate(read, start=1) if reading.role == "marker"}
    named = {number: found.loc[number, "antigen"] for number in stained}
    right = [number for number in stained if named[number] == stained[number]]
    assert len(right) > len(stained) / 2
    assert all(named[number] in ("", stained[number]) for number in stained)  # by its dye, or not at all
