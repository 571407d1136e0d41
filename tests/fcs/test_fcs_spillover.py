"""Spillover matrices in the keywords of four versions of the standard."""

import numpy as np
import pytest

from immport_cyto import fcs
from immport_cyto.exceptions import CompensationError
from support import fcs_maker as maker

NAMES = ["FSC-A", "FL1-A", "FL2-A", "PE,Cy7"]


def opened(folder, keywords, names=NAMES, stains=None):
    content = maker.make([[1.0] * len(names)], names=names, stains=stains, keywords=keywords, delimiter=b"|")
    return fcs.open(maker.write(folder / "made.fcs", content))


@pytest.mark.parametrize("keyword", ["$SPILLOVER", "SPILL", "$SPILL", "SPILLOVER", "spill"])
def test_named_matrix(tmp_path, keyword):
    spillover = opened(tmp_path, {keyword: "2,FL1-A, FL2-A ,1,0.1,0.02,1"}).spillover()
    assert spillover.channels == ["FL1-A", "FL2-A"]
    assert spillover.matrix.tolist() == [[1, 0.1], [0.02, 1]]
    assert spillover.keyword == keyword.upper()
    assert (spillover.missing, spillover.notes, spillover.is_identity) == ((), (), False)


def test_standard_keyword_goes_first(tmp_path):
    f = opened(tmp_path, {"SPILL": "2,FL1-A,FL2-A,1,0.5,0,1", "$SPILLOVER": "2,FL1-A,FL2-A,1,0.1,0,1"})
    assert f.spillover().matrix[0, 1] == 0.1


@pytest.mark.parametrize("keywords", [{}, {"SPILL": ""}, {"$SPILLOVER": "0"}, {"$DFC1TO2": "0.0"}, {"$COMP": " "}])
def test_no_matrix(tmp_path, keywords):
    assert opened(tmp_path, keywords).spillover() is None


def test_identity(tmp_path):
    assert opened(tmp_path, {"SPILL": "2,FL1-A,FL2-A,1,0,0,1"}).spillover().is_identity


def test_names_with_commas(tmp_path):
    spillover = opened(tmp_path, {"SPILL": "2,FL1-A,PE,Cy7,1,0.1,0,1"}).spillover()
    assert spillover.channels == ["FL1-A", "PE,Cy7"]
    assert spillover.matrix[0, 1] == 0.1
    assert spillover.notes == ("names with commas were put together by $PnN",)


def test_channels_by_number_case_and_stain(tmp_path):
    assert opened(tmp_path, {"SPILL": "2,2,3,1,0.1,0,1"}).spillover().channels == ["FL1-A", "FL2-A"]
    assert opened(tmp_path, {"SPILL": "2,fl1-a,FL2-A,1,0.1,0,1"}).spillover().channels == ["FL1-A", "FL2-A"]
    f = opened(tmp_path, {"SPILL": "2,CD4 FITC,FL2-A,1,0.1,0,1"}, stains=["", "CD4 FITC", "", ""])
    assert f.spillover().channels == ["FL1-A", "FL2-A"]
    assert f.spillover().notes == ("'CD4 FITC' was found as 'FL1-A'",)


def test_names_that_are_no_channel_are_listed_not_hidden(tmp_path):
    spillover = opened(tmp_path, {"SPILL": "3,FL1-A,X,Y,1,0,0,0,1,0,0,0,1"}).spillover()
    assert spillover.channels == ["FL1-A", "X", "Y"]
    assert spillover.missing == ("X", "Y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,FL1-A", "SPILL starts with 'x' instead of the number of channels"),
        ("2,FL1-A,FL2-A", "SPILL has 2 entries, but 2 channels need 6"),
        ("2,FL1-A,FL2-A,1,0,0", "SPILL has 5 entries, but 2 channels need 6"),
        ("2,FL1-A,FL2-A,1,0,0,1,0", "SPILL has 7 entries, but 2 channels need 6"),
        ("2,FL1-A,FL2-A,1,0,zero,1", "SPILL holds 'zero', which is not a number"),
        ("2,FL1-A,FL2-A,1,nan,0,1", "SPILL holds 'nan', which is not a number"),
        ("2,FL1-A,FL1-A,1,0,0,1", "SPILL names the channel 'FL1-A' twice"),
        ("2,FL1-A,FL2-A,1,0,0,0", "SPILL has a zero on its diagonal"),
        ("999999999,FL1-A", "SPILL starts with '999999999'"),
    ],
)
def test_malformed_matrix_does_not_stop_the_reading(tmp_path, text, message):
    f = opened(tmp_path, {"SPILL": text})
    assert f.events().shape == (1, 4)
    with pytest.raises(CompensationError, match=r"made\.fcs: .*" + message):
        f.spillover()


def test_comp_of_fcs_3_0(tmp_path):
    names = ["FL1", "FL2"]
    spillover = opened(tmp_path, {"$COMP": "2,1,0.1,0.2,1"}, names).spillover()
    assert (spillover.channels, spillover.keyword) == (names, "$COMP")
    np.testing.assert_array_equal(spillover.matrix, [[1, 0.1], [0.2, 1]])
    np.testing.assert_allclose(
        opened(tmp_path, {"$COMP": "2,100,10,20,100"}, names).spillover().matrix, [[1, 0.1], [0.2, 1]]
    )
    np.testing.assert_array_equal(
        opened(tmp_path, {"$COMP": "2,0,0.1,0.2,0"}, names).spillover().matrix, [[1, 0.1], [0.2, 1]]
    )
    with pytest.raises(CompensationError, match=r"\$COMP is for 2 channels without naming them, but the file has 4"):
        opened(tmp_path, {"$COMP": "2,1,0,0,1"}).spillover()
    with pytest.raises(CompensationError, match=r"\$COMP has 3 values after '2', not the square of it"):
        opened(tmp_path, {"$COMP": "2,1,0,0"}, names).spillover()


def test_percent_of_fcs_2_0(tmp_path):
    names = ["FS", "FL1 LOG", "FL2 LOG", "FL3 LOG"]
    spillover = opened(tmp_path, {"$DFC1TO2": "12.5", "$DFC2TO1": "2", "$DFC3TO3": "0"}, names).spillover()
    assert spillover.channels == ["FL1 LOG", "FL2 LOG"]
    np.testing.assert_allclose(spillover.matrix, [[1, 0.125], [0.02, 1]])
    assert spillover.notes == ("the instrument's own setting, which it may have applied to the data already",)
    with pytest.raises(CompensationError, match="speaks of detector 5, but no channel named FL5"):
        opened(tmp_path, {"$DFC1TO5": "3"}, names).spillover()
    with pytest.raises(CompensationError, match="speaks of detector 1, but several channels named FL1"):
        opened(tmp_path, {"$DFC1TO2": "3"}, ["FL1-H", "FL1-A", "FL2-H"]).spillover()
    with pytest.raises(CompensationError, match=r"\$DFC1TO2 is 'x', which is not a number"):
        opened(tmp_path, {"$DFC1TO2": "x"}, names).spillover()


def test_compensation_by_the_matrix_gives_the_true_signal(tmp_path):
    rng = np.random.default_rng(1)
    true = rng.uniform(0, 1000, (100, 2))
    spillover = opened(tmp_path, {"SPILL": "2,FL1-A,FL2-A,1,0.1,0.02,1"}).spillover()
    measured = true @ spillover.matrix
    np.testing.assert_allclose(measured[:, 1], true[:, 1] + 0.1 * true[:, 0])
    np.testing.assert_allclose(measured @ np.linalg.inv(spillover.matrix), true)
