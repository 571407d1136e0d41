"""The Python surface that stays: each of its names, used as a notebook would use it."""

import inspect
from importlib import import_module

import numpy as np
import pytest

from immport_cyto import cluster, events, fcs, immport, meta, panel, population, report

PACKAGES = [
    "", "fcs", "immport", "immport.templates", "panel", "events", "cluster", "cluster.flock", "population", "meta",
    "report", "simulate",
    "study", "tables",
]  # fmt: skip


@pytest.mark.parametrize("name", PACKAGES)
def test_what_a_package_lists_is_there_and_nothing_else_is_made_up(name):
    package = import_module(f"immport_cyto.{name}".rstrip("."))
    missing = [offered for offered in package.__all__ if not hasattr(package, offered)]
    assert missing == []
    assert len(set(package.__all__)) == len(package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        package.nonsense  # noqa: B018


@pytest.fixture(scope="module")
def study_folder(test_data):
    return test_data / "SDY9901"


@pytest.fixture(scope="module")
def first(study_folder):
    return min(study_folder.rglob("*.fcs"))


def test_fcs(first, tmp_path):
    f = fcs.open(first, dataset=0)
    assert (f.version, f.datasets) == ("FCS3.1", 1)
    assert f.keywords["$TOT"] == str(f.n_events)
    assert f.findings == []
    raw = f.raw(channels=None, start=0, stop=None)
    scaled = f.events(channels=None, start=0, stop=None)
    assert raw.shape == scaled.shape == (f.n_events, len(f.channels))
    assert scaled.dtype == np.float32
    assert np.array_equal(f.events(["FSC-A"], 3, 7)[:, 0], scaled[3:7, [c.pnn for c in f.channels].index("FSC-A")])
    fcs.write(tmp_path / "y.fcs", scaled, f.channels, f.keywords, version="3.1")
    again = fcs.open(tmp_path / "y.fcs")
    assert np.array_equal(again.events(), scaled)
    assert [(c.pnn, c.pns) for c in again.channels] == [(c.pnn, c.pns) for c in f.channels]
    assert len(events.markers(again)) > 3


def test_immport(study_folder, tmp_path):
    files = {path.name: path for path in study_folder.rglob("*.fcs")}
    with immport.open_store(tmp_path / "immport.sqlite") as store:
        store.load([study_folder / "SDY9901-DR99_Tab.zip"])
        samples = store.link(files)
        assert samples["file_name"].tolist() == sorted(files)
        assert set(store.orphans["kind"]) <= {"metadata without file"}
        found = store.search("files", studies="SDY9901")
        assert set(samples["sample_id"]) <= set(found["sample_id"])
        assert list(store.reagents().columns) == immport.REAGENTS.column_names
        assert store.studies()["study_accession"].tolist() == ["SDY9901"]
        assert {"studies", "days", "visits"} == set(inspect.signature(store.results).parameters)


def test_panel():
    reading = panel.parse_channel("BV421-A", "CD197 (CCR7)")
    assert (reading.role, reading.antigens, reading.genes, reading.reporter) == (
        "marker",
        ("CCR7",),
        ("CCR7",),
        "BV421",
    )
    assert (reading.modifiers, reading.alternatives) == ((), ())
    assert reading.rule
    assert 0.5 < reading.confidence <= 1
    assert str(panel.parse_gates("CD3+, CD4+, CCR7-")) == "CD3+ CD4+ CCR7-"


@pytest.fixture(scope="module")
def two_groups():
    rng = np.random.default_rng(1)
    return np.concatenate([rng.normal(m, 0.3, (500, 3)) for m in (0, 4)]).astype(np.float32)


def test_cluster(two_groups, tmp_path):
    flock = cluster.FLOCK(version=2, bins=None, density=None).fit(two_groups)
    assert set(flock.labels_) == {1, 2}
    assert flock.centers_.shape == flock.profile_.shape == (2, 3)
    assert np.array_equal(np.sort(flock.centers_[:, 0].round()), [0, 4])
    assert flock.predict(two_groups).shape == (1000,)
    model = cluster.FlowSOM(grid=(4, 4), n_metaclusters=2, seed=42).fit(two_groups)
    assert (model.labels_.min() >= 0, model.labels_.max() < 16) == (True, True)
    assert model.codes_.shape == (16, 3)
    assert np.array_equal(np.unique(model.metaclusters_), [1, 2])
    assert np.array_equal(model.predict(two_groups), model.labels_)
    model.save(tmp_path / "m.npz")
    assert np.array_equal(cluster.load(tmp_path / "m.npz").predict(two_groups), model.labels_)


def test_population(two_groups):
    cut = population.cutoff(two_groups[:, 0])
    assert cut.value == pytest.approx(2, abs=1)
    assert 0.9 < cut.evidence <= 1
    assert population.cutoff(two_groups[:500, 0]).value is None


def test_meta():
    pooled = meta.pool([0.1, 0.3, 0.35], [0.1, 0.12, 0.18], method="REML", test="hartung-knapp")
    assert pooled.ci[0] < pooled.estimate < pooled.ci[1]
    assert pooled.pi[0] <= pooled.ci[0] < pooled.ci[1] <= pooled.pi[1]
    assert 0 < pooled.p_value < 1
    assert (pooled.tau2 >= 0, 0 <= pooled.i2 <= 100, pooled.q >= 0, pooled.se > 0) == (True,) * 4
    assert pooled.weights.sum() == pytest.approx(1)


def test_report(tmp_path):
    report.build(tmp_path / "report.html", title="A & B", warnings=["odd <tag>"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in page
    assert "odd &lt;tag&gt;" in page
