"""What a user can do to study.yaml and to file names: one sentence, no traceback."""

from pathlib import Path

import pytest

from immport_cyto import study
from immport_cyto.exceptions import InputError, OptionError, TableError
from immport_cyto.files import check_name
from immport_cyto.study.results import _truth

_START = "studies: [{metadata: ., fcs: .}]\n"


@pytest.mark.parametrize("text", ["title: 2020-99-99\n" + _START, "[" * 3000], ids=["impossible date", "deep"])
def test_yaml_that_the_parser_cannot_hold_is_an_input_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="is not valid YAML"):
        study.read(path)


def test_a_path_too_long_for_the_system_does_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("studies: [{metadata: ., fcs: " + "a" * 5000 + "}]")
    with pytest.raises(InputError, match=r"studies\[1\].fcs names .* does not exist; correct the path"):
        study.read(path)


@pytest.mark.parametrize("value", [".nan", ".inf"])
def test_a_cofactor_is_a_finite_number(tmp_path: Path, value: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(_START + f"preprocess: {{cofactor: {value}}}")
    with pytest.raises(OptionError, match=r"preprocess.cofactor is (nan|inf); give a number"):
        study.read(path)


@pytest.mark.parametrize("name", ["a\nb.fcs", "a\tb.fcs", "\udcff.fcs"])
def test_names_that_no_table_can_hold_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"control character or is not UTF-8; rename the file"):
        check_name(Path("folder") / name)


@pytest.mark.parametrize("name", ["a'b\"c.fcs", "$(x).fcs", "ünï.fcs", "<img>.fcs", "x" * 200 + ".fcs"])
def test_odd_but_printable_names_are_taken(name: str) -> None:
    check_name(Path(name))


def test_a_truth_that_is_a_folder_is_a_table_error(tmp_path: Path) -> None:
    config = study.StudyConfig(title="x", studies=(), truth=tmp_path)
    with pytest.raises(TableError, match=r"cannot be read as a table of true effects; correct truth in study\.yaml"):
        _truth(config)
