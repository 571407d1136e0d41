"""A model knows the transform and compensation of its training; files on another scale are refused or reported."""

import numpy as np
import pytest

from immport_cyto import cluster
from immport_cyto.cluster import flock
from immport_cyto.cluster.flock.storage import PROFILES_ONLY
from immport_cyto.cluster.scale import UNKNOWN, Scale
from immport_cyto.exceptions import ModelError, PanelError
from support.cluster_events import T_CELLS, blobs, preprocessed
from support.old_models import as_version

ARCSINH, LOGICLE = "arcsinh:cofactor=150", "logicle:T=262144,W=0.5,M=4.5,A=0"
OPTIONS = {"grid": (4, 4), "n_metaclusters": 4}
X = blobs(T_CELLS, [400, 300, 200, 100])[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    for name, transform, compensation in (
        ("a.fcs", ARCSINH, "file:SPILL"),
        ("b.fcs", ARCSINH, "file:$SPILLOVER"),
        ("logicle.fcs", LOGICLE, "file:SPILL"),
        ("raw.fcs", "", ""),
        ("plain.fcs", ARCSINH, "none"),
    ):
        preprocessed(folder / name, X, extra=["FSC-A"], transform=transform, compensation=compensation)
    return folder


def of(folder, *names):
    return {name: folder / name for name in names}


@pytest.fixture(scope="module")
def models(folder):
    """A FlowSOM and a FLOCK model of the same files, and how each maps."""
    som = cluster.flowsom_files(of(folder, "a.fcs", "b.fcs"), **OPTIONS)
    groups = flock.flock_files(of(folder, "a.fcs", "b.fcs"))

    def map_som(path, **options):
        return cluster.map_file(som, path, None, **options)

    def map_flock(path, **options):
        return flock.label_file(groups, path.name, path, **options)

    return {"flowsom": (som, map_som), "flock": (groups, map_flock)}


KINDS = pytest.mark.parametrize("kind", ["flowsom", "flock"])


@KINDS
def test_the_scale_of_the_training_is_kept(models, tmp_path, kind):
    model, _ = models[kind]
    assert model.warnings_ == []
    assert model.scale_ == Scale(dict.fromkeys(["CD19", "CD3", "CD4", "CD8"], (ARCSINH,)), ("compensated",))
    model.save(tmp_path / "m.npz")
    back = (cluster if kind == "flowsom" else flock).load(tmp_path / "m.npz")
    assert back.scale_ == model.scale_
    back.save(tmp_path / "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "m.npz").read_bytes()


@KINDS
def test_a_file_on_the_scale_of_the_training_has_no_warning(models, folder, kind):
    assert models[kind][1](folder / "b.fcs").warnings == ()


@KINDS
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("logicle.fcs", r"are on the scale logicle:T=262144,W=0\.5,M=4\.5,A=0"),
        ("raw.fcs", "are on a scale that the file does not state"),
    ],
)
def test_another_transform_is_an_error_or_a_warning(models, folder, kind, name, what):
    found = rf"{name}: markers CD19, CD3, CD4, CD8 {what}, in the training of the model on arcsinh:cofactor=150"
    with pytest.raises(PanelError, match=rf"{found}; preprocess the file as the training files were, or allow any"):
        models[kind][1](folder / name)
    mapped = models[kind][1](folder / name, any_scale=True)
    assert mapped.n_events == len(X)
    (warning,) = mapped.warnings
    assert warning == found.replace("\\", "")


@KINDS
def test_another_compensation_is_a_warning(models, folder, kind):
    assert models[kind][1](folder / "plain.fcs").warnings == (
        "plain.fcs: is not compensated, the training of the model was compensated",
    )


@pytest.mark.parametrize("train", [flock.flock_files, lambda files: cluster.flowsom_files(files, **OPTIONS)])
def test_a_training_on_two_scales_is_reported_and_both_can_be_mapped(folder, train):
    model = train(of(folder, "a.fcs", "logicle.fcs", "plain.fcs"))
    first, second = model.warnings_
    assert first == (
        f"the files are not on one scale: markers CD19, CD3, CD4, CD8 are transformed in different ways ({ARCSINH}, "
        f"{LOGICLE}); preprocess the files of a panel alike ('events transforms' gives one table for all)"
    )
    assert second == "some files are compensated and others are not"
    own = cluster.map_file if isinstance(model, cluster.FlowSOM) else None
    for name in ("a.fcs", "logicle.fcs", "plain.fcs"):
        path = folder / name
        mapped = own(model, path, None) if own else flock.label_file(model, name, path)
        assert mapped.warnings == ()


def test_a_model_that_knows_no_scale_takes_every_file(folder):
    trained = cluster.flowsom_files(of(folder, "raw.fcs"), **OPTIONS)
    assert cluster.map_file(trained, folder / "a.fcs", None).warnings == ()
    in_memory = cluster.FlowSOM(**OPTIONS).fit(X, markers=["CD3", "CD4", "CD8", "CD19"])
    assert cluster.map_file(in_memory, folder / "a.fcs", None).warnings == ()


@pytest.mark.parametrize(("kind", "stage", "version"), [("flowsom", cluster, 2), ("flock", flock, 1)])
def test_a_model_of_the_version_before_is_read_and_says_that_it_knows_no_scale(models, tmp_path, kind, stage, version):
    model, _ = models[kind]
    model.save(tmp_path / "m.npz")
    old = stage.load(as_version(tmp_path / "m.npz", tmp_path / "old.npz", version))
    assert old.warnings_ == [UNKNOWN, *([PROFILES_ONLY] if kind == "flock" else [])]
    assert old.scale_ == Scale()
    assert np.array_equal(old.predict(X), model.predict(X))


def test_a_model_too_old_says_so(models, tmp_path):
    models["flowsom"][0].save(tmp_path / "m.npz")
    old = as_version(tmp_path / "m.npz", tmp_path / "old.npz", 1)
    with pytest.raises(ModelError, match=r"old.npz: the model has format version 1, .* reads from 2 on; train"):
        cluster.load(old)


def test_nothing_is_written_where_one_file_is_on_another_scale(models, folder, tmp_path):
    files = of(folder, "a.fcs", "logicle.fcs")
    som, _ = models["flowsom"]
    targets = {name: tmp_path / name for name in files}
    with pytest.raises(PanelError, match=r"logicle.fcs: markers"):
        cluster.map_files(dict.fromkeys(files, som), files, targets)
    assert list(tmp_path.iterdir()) == []
    mapped = cluster.map_files(dict.fromkeys(files, som), files, targets, any_scale=True)
    assert [len(file.warnings) for file in mapped.values()] == [0, 1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fcs", "logicle.fcs"]
