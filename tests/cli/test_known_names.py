"""A file that we wrote is known by the name of its source, which is in the tables of the study."""

import numpy as np
import pytest

from immport_cyto import fcs
from immport_cyto.cli._common import collect_fcs
from immport_cyto.cli._targets import targets, written_name
from immport_cyto.exceptions import InputError, LinkError


def written(folder, source, name=None):
    """An FCS file with events of `source`, under the name that our commands give it or another one."""
    path = folder / (name or written_name(source))
    fcs.write(path, np.ones((3, 1)), [("A", "CD3")], {"ICYTO_FORMAT": "1", "ICYTO_FILE": source})
    return path


@pytest.mark.parametrize(
    "source",
    ["a.fcs", "Subject 1 (x) & é,#1.fcs", "a.fcs.gz", "A 1.FCS", "well.B08", "<b>x</b>.lmd", "x" * 250 + ".fcs"],
)
def test_the_name_of_the_source_comes_back(tmp_path, source):
    path = written(tmp_path, source)
    assert collect_fcs([path]) == {source: path}
    assert collect_fcs([tmp_path]) == {source: path}


def test_and_stays_the_same_over_stages(tmp_path):
    files = collect_fcs([written(tmp_path, "Subject 1.fcs")])
    again = targets(files, tmp_path / "next")
    assert again["Subject 1.fcs"].name == files["Subject 1.fcs"].name == written_name("Subject 1.fcs")


def test_a_file_that_was_renamed_has_its_new_name(tmp_path):
    path = written(tmp_path, "a.fcs", "b.fcs")
    assert collect_fcs([path]) == {"b.fcs": path}


def test_a_file_of_others_and_a_damaged_one_have_their_own_names(tmp_path):
    fcs.write(tmp_path / "a.fcs", np.ones((3, 1)), [("A", "CD3")])
    (tmp_path / "b.fcs").write_bytes(b"FCS3.1    damaged")
    assert list(collect_fcs([tmp_path])) == ["a.fcs", "b.fcs"]


def test_two_files_of_one_source_are_refused(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, "Subject 1.fcs")
    with pytest.raises(LinkError, match=r"two files are named 'Subject 1\.fcs'"):
        collect_fcs([tmp_path])


def test_a_name_with_a_line_break_inside_the_file_is_refused(tmp_path):
    path = written(tmp_path, "a\nb.fcs")
    with pytest.raises(InputError, match="control character"):
        collect_fcs([path])
