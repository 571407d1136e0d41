"""FLOCK gives every event the population that the original C programs gave it."""

import numpy as np
import pytest

from immport_cyto.cluster import FLOCK, flock

INPUTS = {
    "68983_arcsinh150_float_9markers": "68983_arcsinh150_float_9markers.txt",
    "68983_logicle4095_int_9markers": "68983_logicle4095_int_9markers.txt",
    "flowcap1_DLBCL_5524x3": "flowcap1_DLBCL_5524x3.txt",
    "hipc_lyoplate_tcell_1369_33992x6": "hipc_lyoplate_tcell_1369_33992x6.txt",
    "galaxy_input": "galaxy_run_flock_input_19999x6.flowtext",
    "galaxy_input_b7_d3": "galaxy_run_flock_input_19999x6.flowtext",
}
ADJUSTED = {
    "cent_adjust_galaxy_gmfi_input1": ("gmfi.flowmfi", "galaxy_cross_sample_input1.flowtext"),
    "cent_adjust_galaxy_mfi_input2": ("mfi.flowmfi", "galaxy_cross_sample_input2.flowtext"),
}


def percentages(counts):
    return [f"{100 * n / counts.sum():.2f}" for n in counts]


def second_column(path):
    return [line.split("\t")[1] for line in path.read_text().splitlines()[1:]]


def properties(path):
    return dict(line.split("=") for line in path.read_text().split())


def test_every_run_is_compared(shared_data):
    runs = {f"flock{version}_{name}" for version in (1, 2) for name in INPUTS} | set(ADJUSTED)
    assert {path.name for path in (shared_data / "flock").iterdir() if path.is_dir()} == runs | {"inputs"}


@pytest.mark.shared
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", INPUTS)
def test_same_populations_as_the_original(shared_data, tmp_path, name, version):
    run = shared_data / "flock" / f"flock{version}_{name}"
    X = np.loadtxt(shared_data / "flock" / "inputs" / INPUTS[name], skiprows=1)
    asked = {"bins": 7, "density": 3} if name.endswith("b7_d3") else {}
    model = FLOCK(version, **asked).fit(X)
    expected = np.loadtxt(run / "population_id.txt", dtype=int)
    assert np.count_nonzero(model.labels_ != expected) == 0
    assert np.array_equal(model.profile_, np.loadtxt(run / "profile.txt", skiprows=1, dtype=int)[:, 1:])
    assert percentages(model.counts_) == second_column(run / "percentage.txt")
    found = properties(run / "fcs.properties")
    assert (model.found_.bins, model.found_.density) == (int(found["Bins"]), int(found["Density"]))
    assert model.warnings_ == []
    # the original writes centres rounded to whole numbers
    written = np.loadtxt(run / "MFI.txt")[:, 1:]
    assert np.abs(model.centers_ - written).max() <= 0.5
    model.save(tmp_path / "model.npz")
    assert np.array_equal(flock.load(tmp_path / "model.npz").predict(X), model.labels_)


@pytest.mark.shared
@pytest.mark.parametrize("name", ADJUSTED)
def test_same_adjustment_as_the_original(shared_data, name):
    run, inputs = shared_data / "flock" / name, shared_data / "flock" / "inputs"
    centres, events = (np.loadtxt(inputs / part, skiprows=1) for part in ADJUSTED[name])
    adjusted = flock.adjust(centres[:, 1:], events, ids=centres[:, 0].astype(int).tolist())
    assert np.count_nonzero(adjusted.labels != np.loadtxt(run / "population_id.txt", dtype=int)) == 0
    profile = np.loadtxt(run / "profile.txt", skiprows=1, dtype=int)
    assert np.array_equal(adjusted.ids, profile[:, 0])
    assert np.array_equal(adjusted.profile, profile[:, 1:])
    assert percentages(adjusted.counts) == second_column(run / "percentage.txt")
    assert np.abs(adjusted.centers - np.loadtxt(run / "MFI.txt")[:, 1:]).max() <= 0.5
