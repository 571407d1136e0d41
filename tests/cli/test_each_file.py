"""Commands that take each file on its own: several in one call, names of Galaxy's elements, one bad file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from immport_cyto import fcs, tables
from immport_cyto.cli._main import cli
from immport_cyto.exceptions import ImmportCytoError, OptionError, OutputExistsError

DATA = Path(__file__).parents[2] / "test-data"
RAW = DATA / "SDY9901/ResultFiles/Flow_cytometry_result"
GALAXY = DATA / "galaxy"
NAMES = {"a/b `id` γ.fcs": "D1_002_backbone.99010002.fcs", "plain": "D2_001_backbone.99010001.fcs"}
MODEL = "SDY9901-flow-12m-57016e.npz"
# command, its options, where its files are, output of the list, of each element
CASES = {
    "fcs convert": (["--to", "tsv"], RAW, "converted_list", "tabular"),
    "fcs split": (["--events", "400"], RAW, "parts_list", "fcs"),
    "panel rename": (["--panel", "panel.tsv"], RAW, "renamed_list", "fcs"),
    "events gate": (
        ["--gates", GALAXY / "gates.xml", "--keep", "Cells", "--out", "gates.tsv"], RAW, "events_list", "fcs",
    ),
    "cluster map": (["--model", GALAXY / "models" / MODEL], GALAXY / "events", "clustered_list", "fcs"),
    "cluster flock-map": (["--model", GALAXY / "flock" / MODEL], GALAXY / "events", "mapped_list", "fcs"),
}  # fmt: skip
each_command = pytest.mark.parametrize("command", CASES)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory, as a job has it; panel.tsv speaks of the names of the elements."""
    monkeypatch.chdir(tmp_path)
    text = (GALAXY / "panel.tsv").read_text()
    for name, file in NAMES.items():
        text += "".join(line.replace(file, name, 1) for line in text.splitlines(keepends=True) if line.startswith(file))
    (tmp_path / "panel.tsv").write_text(text)
    return tmp_path


def listed(command: str, *, damaged: bool) -> None:
    """files.json as Galaxy's jobs write it."""
    where = CASES[command][1]
    rows = [{"name": name, "path": str(where / file)} for name, file in NAMES.items()]
    if damaged:
        Path("damaged").write_bytes((where / NAMES["plain"]).read_bytes()[:2500])
        rows.append({"name": "damaged.fcs", "path": "damaged"})
    Path("files.json").write_text(json.dumps(rows))


def run(command: str, *more: object):
    given = [*command.split(), "--files", "files.json", "--out-dir", "out", *CASES[command][0], *more]
    return CliRunner().invoke(cli, [str(one) for one in given], catch_exceptions=False)


def tree(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}


@each_command
def test_elements_keep_their_names_and_a_damaged_file_is_left_out(command):
    listed(command, damaged=True)
    found = []
    for jobs in (1, 2):
        shutil.rmtree("out", ignore_errors=True)
        done = run(command, "--elements", "galaxy.json", "--failures", "failures.tsv", "--jobs", jobs)
        assert done.exit_code == 0
        assert "immport-cyto: warning: damaged.fcs is left out: " in done.output
        found.append((tree(Path("out")), Path("galaxy.json").read_text(), Path("failures.tsv").read_text()))
    assert found[0] == found[1]
    failures = tables.read("failures.tsv", tables.FAILURES)
    assert list(failures["file_name"]) == ["damaged.fcs"]
    assert failures["message"][0].count("\n") == 0
    _, _, output, extension = CASES[command]
    elements = json.loads(Path("galaxy.json").read_text(encoding="utf-8"))[output]["elements"]
    assert {one["ext"] for one in elements} == {extension}
    assert all(Path(one["filename"]).is_file() for one in elements)
    if output == "parts_list":
        assert [(one["identifier_0"], one["identifier_1"]) for one in elements] == [
            ("a/b `id` γ.fcs", "a/b `id` γ_part-001.fcs"), ("a/b `id` γ.fcs", "a/b `id` γ_part-002.fcs"),
            ("plain", "plain_part-001.fcs"), ("plain", "plain_part-002.fcs"),
        ]  # fmt: skip
    else:
        assert [one["name"] for one in elements] == list(NAMES)


@each_command
def test_a_file_among_others_gives_what_it_gives_alone(command):
    listed(command, damaged=False)
    run(command, "--elements", "galaxy.json")
    together = json.loads(Path("galaxy.json").read_text())[CASES[command][2]]["elements"]
    contents = [Path(one["filename"]).read_bytes() for one in together]
    alone = []
    for name, file in NAMES.items():
        Path("files.json").write_text(json.dumps([{"name": name, "path": str(CASES[command][1] / file)}]))
        shutil.rmtree("out")
        run(command)
        alone += list(tree(Path("out")).values())
    assert alone == contents


@each_command
def test_a_damaged_file_is_an_error_that_leaves_nothing(command):
    listed(command, damaged=True)
    with pytest.raises(ImmportCytoError):
        run(command, "--elements", "galaxy.json")
    assert tree(Path("out")) == {}
    assert not Path("galaxy.json").exists()


@each_command
def test_nothing_left_is_an_error(command):
    Path("files.json").write_text(json.dumps([{"name": "x.fcs", "path": "panel.tsv"}]))
    with pytest.raises(ImmportCytoError, match=r"none of 1 files can be used \(first: "):
        run(command, "--failures", "failures.tsv")


def test_what_is_there_already_is_not_taken_away_by_an_error(folder):
    """Nor is the file that was to be converted."""
    source = shutil.copy(RAW / NAMES["plain"], folder / "a.fcs")
    before = Path(source).read_bytes()
    (folder / "files.json").write_text(json.dumps([{"name": "a.csv", "path": "a.fcs"}]))
    (folder / "out").mkdir()
    (folder / "out" / "a.tsv").write_text("of yesterday")
    with pytest.raises(ImmportCytoError):
        run("fcs convert")
    with pytest.raises(OutputExistsError, match="is the file to read; give another output"):
        CliRunner().invoke(
            cli, ["fcs", "convert", "a.fcs", "--from", "fcs", "--to", "tsv", "--out", "a.fcs"], catch_exceptions=False
        )
    assert (folder / "out" / "a.tsv").read_text() == "of yesterday"
    assert Path(source).read_bytes() == before


def test_results_of_the_same_name_are_refused(folder):
    rows = [{"name": name, "path": str(RAW / NAMES["plain"])} for name in ("a/b.fcs", "b.fcs")]
    (folder / "files.json").write_text(json.dumps(rows))
    with pytest.raises(OutputExistsError, match=r"out/b.tsv: two input files would be written to this name; rename"):
        run("fcs convert")


def test_descriptions_of_many_files(folder):
    listed("fcs convert", damaged=True)
    run("fcs convert", "--elements", "galaxy.json", "--failures", "failures.tsv", "--keywords-dir", "described")
    elements = json.loads((folder / "galaxy.json").read_text())["description_list"]["elements"]
    assert [one["name"] for one in elements] == list(NAMES)
    for one, file in zip(elements, NAMES.values(), strict=True):
        described = json.loads(Path(one["filename"]).read_text())
        with fcs.open(RAW / file) as opened:
            assert [channel["pnn"] for channel in described["channels"]] == opened.names


def test_parts_of_several_files_have_folders_of_their_own(folder):
    files = [str(RAW / file) for file in NAMES.values()]
    CliRunner().invoke(cli, ["fcs", "split", *files, "--events", "400", "--out-dir", "out"], catch_exceptions=False)
    assert sorted(tree(folder / "out")) == [
        f"{Path(file).stem}/{Path(file).stem}_part-00{number}.fcs" for file in NAMES.values() for number in (1, 2)
    ]


def test_a_part_whose_name_no_list_keeps(folder):
    rows = [{"name": "x" * 120, "path": str(RAW / NAMES["plain"])}]
    (folder / "files.json").write_text(json.dumps(rows))
    with pytest.raises(OptionError, match=r"a list made in Galaxy keeps 223, rename the element"):
        run("fcs split", "--elements", "galaxy.json")


SINGLE = {
    "fcs sample": (["--per-file", "100"], "sampled", ["a/b `id` γ.fcs", "plain"]),
    "fcs deidentify": ([], "clean", ["a/b `id` γ.fcs", "plain"]),
    "cluster extract": (
        ["--metacluster", "2"], "extracted",
        ["a/b `id` γ_FlowSOM_metacluster_2.fcs", "plain_FlowSOM_metacluster_2.fcs"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", SINGLE)
def test_lists_of_other_commands_keep_the_names_too(command, folder):
    options, output, names = SINGLE[command]
    where = GALAXY / "clustered" if command == "cluster extract" else RAW
    rows = [{"name": name, "path": str(where / file)} for name, file in NAMES.items()]
    (folder / "files.json").write_text(json.dumps(rows))
    given = [*command.split(), "--files", "files.json", "--out-dir", "out", *options]
    CliRunner().invoke(cli, [*given, "--elements", "galaxy.json"], catch_exceptions=False)
    elements = json.loads((folder / "galaxy.json").read_text(encoding="utf-8"))[output]["elements"]
    assert [one["name"] for one in elements] == names
    made = [fcs.open(one["filename"]).events() for one in elements]
    shutil.rmtree("out")
    CliRunner().invoke(cli, given, catch_exceptions=False)
    for path, events in zip(sorted((folder / "out").iterdir()), made, strict=True):
        np.testing.assert_array_equal(fcs.open(path).events(), events)
