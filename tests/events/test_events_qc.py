"""Quality control against faults of known truth; sensitivities and losses are stated in docs/methods-events.md."""

import dataclasses

import numpy as np
import pytest

from immport_cyto.events import qc, stability
from immport_cyto.events._valley import mode, valleys
from support import events_simulated as sim

SEEDS = [1, 2, 3]


def described(made: sim.Simulated) -> qc.Channels:
    names, labels, roles = (tuple(column) for column in zip(*made.channels, strict=True))
    limits = tuple(sim.LIMIT - 1.0 if role == "scatter" else np.nan for role in roles)
    return qc.Channels(names, labels, roles, limits, made.technique)


def dropped(quality: qc.Quality, reason: str) -> np.ndarray:
    return quality.reason == qc.REASONS.index(reason) + 1


class TestValley:
    def test_two_groups_have_one_valley_between_them(self) -> None:
        rng = np.random.default_rng(0)
        x = np.r_[rng.normal(0, 1, 5000), rng.normal(8, 1, 1000)]
        (found,) = valleys(x)
        assert 3 < found.value < 5
        assert found.depth > 0.95
        assert found.below == pytest.approx(5 / 6, abs=0.005)
        assert found.left == pytest.approx(0, abs=0.3)
        assert found.right == pytest.approx(8, abs=0.4)

    @pytest.mark.parametrize("n", [200, 1000, 20000])
    def test_one_group_has_none(self, n: int) -> None:
        rng = np.random.default_rng(n)
        for sample in (rng.normal(size=n), rng.lognormal(size=n), rng.uniform(size=n), rng.exponential(size=n)):
            assert valleys(sample) == []

    @pytest.mark.parametrize("share", [0.005, 0.02])
    def test_rare_group_is_found(self, share: float) -> None:
        rng = np.random.default_rng(4)
        x = np.r_[rng.normal(0, 0.5, 20000), rng.normal(6, 0.4, int(20000 * share))]
        (found,) = valleys(x, min_share=0.001)
        assert 2 < found.value < 5

    def test_scale_and_shift_do_not_matter(self) -> None:
        rng = np.random.default_rng(5)
        x = np.r_[rng.normal(0, 1, 3000), rng.normal(7, 1, 3000)]
        (one,), (two,) = valleys(x), valleys(1000 * x - 50)
        assert two.value == pytest.approx(1000 * one.value - 50, rel=1e-6)

    @pytest.mark.parametrize("x", [[], [1.0], [2.0] * 500, [np.nan] * 100])
    def test_degenerate_samples(self, x: list[float]) -> None:
        assert valleys(np.array(x)) == []

    def test_mode(self) -> None:
        x = np.random.default_rng(6).gamma(4, 1, 50000)
        assert mode(x) == pytest.approx(3, abs=0.15)


class TestTime:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("n", [10_000, 30_000])
    @pytest.mark.parametrize("fault", ["clog", "surge", "bubbles", "drift", "step", "slow", "blips", "dim"])
    def test_faults_are_found(self, fault: str, n: int, seed: int) -> None:
        made = sim.unstable(seed, fault, n)
        names = tuple(channel[0] for channel in made.channels[1:])
        found = stability.check(made.values[:, 0], made.values[:, 1:], names)
        assert sim.sensitivity(found.bad, made.truth["time"]) >= 0.95
        assert sim.loss(found.bad, made.truth["time"]) <= 0.05

    @pytest.mark.parametrize("n", [10_000, 50_000])
    def test_a_slow_drift_is_found_from_its_beginning(self, n: int) -> None:
        found, lost = [], []
        for seed in range(1, 7):
            made = sim.unstable(seed, "ramp", n)
            names = tuple(channel[0] for channel in made.channels[1:])
            bad = stability.check(made.values[:, 0], made.values[:, 1:], names).bad
            assert sim.sensitivity(bad, made.values[:, 0] > 42_000 + 0.1 * 18_000) >= 0.99
            found.append(sim.sensitivity(bad, made.truth["time"]))
            lost.append(sim.loss(bad, made.truth["time"]))
        assert np.mean(found) >= 0.95
        assert max(lost) <= 0.03

    def test_the_figure_names_what_moved(self) -> None:
        made = sim.unstable(1, "dim", 20_000)
        names = tuple(channel[0] for channel in made.channels[1:])
        found = stability.check(made.values[:, 0], made.values[:, 1:], names)
        assert found.channels[int(np.argmax(np.abs(found.bin_shift).max(axis=1)))] == "PE-A, bright"

    @pytest.mark.parametrize("seed", SEEDS)
    def test_edges_are_found_within_few_events(self, seed: int) -> None:
        made = sim.unstable(seed, "step")
        names = tuple(channel[0] for channel in made.channels[1:])
        bad = stability.check(made.values[:, 0], made.values[:, 1:], names).bad
        assert bad[0]
        assert abs(int(bad.sum()) - int(made.truth["time"].sum())) <= 60

    @pytest.mark.parametrize("seed", range(8))
    def test_a_stable_file_loses_nothing(self, seed: int) -> None:
        made = sim.flow(seed, 20000, debris=0.1, doublets=0.05)
        names = tuple(channel[0] for channel in made.channels[1:])
        assert not stability.check(made.values[:, 0], made.values[:, 1:], names).bad.any()

    def test_order_of_the_events_does_not_matter(self) -> None:
        made = sim.unstable(1, "clog")
        names = tuple(channel[0] for channel in made.channels[1:])
        shuffled = np.random.default_rng(0).permutation(len(made.values))
        one = stability.check(made.values[:, 0], made.values[:, 1:], names).bad
        two = stability.check(made.values[shuffled, 0], made.values[shuffled, 1:], names).bad
        assert (one[shuffled] == two).mean() > 0.999

    def test_monotone_scales_do_not_matter(self) -> None:
        made = sim.unstable(2, "drift")
        names = tuple(channel[0] for channel in made.channels[1:])
        signals = made.values[:, 1:].astype(np.float64)
        one = stability.check(made.values[:, 0], signals, names)
        two = stability.check(made.values[:, 0], np.arcsinh(signals / 150), names)
        assert (one.bad == two.bad).all()

    def test_pause_and_clock_that_starts_again_cost_nothing(self) -> None:
        made = sim.flow(3, 20000)
        names = tuple(channel[0] for channel in made.channels[1:])
        time = made.values[:, 0].astype(np.float64)
        paused = np.where(time > 30_000, time + 40_000, time)
        again = np.where(time > 50_000, time - 50_000, time)
        for changed in (paused, again):
            assert not stability.check(changed, made.values[:, 1:], names).bad.any()

    def test_one_wild_time_costs_nothing_else(self) -> None:
        made = sim.flow(3, 20000)
        names = tuple(channel[0] for channel in made.channels[1:])
        time = made.values[:, 0].astype(np.float64)
        time[-1] = 1e9
        assert stability.check(time, made.values[:, 1:], names).bad.sum() <= 1

    def test_a_clock_without_a_usual_rate_is_not_used(self) -> None:
        made = sim.flow(3, 20000)
        names = tuple(channel[0] for channel in made.channels[1:])
        time = np.r_[np.full(12000, 5.0), np.linspace(6, 1000, 8000)]
        assert not stability.check(time, made.values[:, 1:], names).bad.any()

    def test_coarse_clock(self) -> None:
        made = sim.flow(4, 30000)
        names = tuple(channel[0] for channel in made.channels[1:])
        assert not stability.check(np.floor(made.values[:, 0] / 137), made.values[:, 1:], names).bad.any()

    @pytest.mark.parametrize(("n", "note"), [(1, "1 events"), (1999, "1999 events, at least 2000 are needed")])
    def test_too_few_events(self, n: int, note: str) -> None:
        found = stability.check(np.arange(n), np.ones((n, 2)), ("a", "b"))
        assert note in found.note
        assert not found.bad.any()

    def test_constant_time(self) -> None:
        found = stability.check(np.zeros(5000), np.ones((5000, 1)), ("a",))
        assert found.note == "time not checked: only 1 different times"


class TestFlow:
    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("n", [3000, 20000])
    def test_each_fault_is_found_under_its_name(self, n: int, seed: int) -> None:
        made = sim.flow(seed, n, debris=0.15, doublets=0.06, dead=0.08, margin=0.01)
        quality = qc.check(made.values, described(made))
        for reason in ("margin", "debris", "doublet", "dead"):
            assert sim.sensitivity(dropped(quality, reason), made.truth[reason]) >= 0.97, reason
            assert quality.counts[reason] == dropped(quality, reason).sum()
        assert (quality.reason[made.truth["good"]] > 0).mean() <= 0.02

    @pytest.mark.parametrize("seed", range(8))
    def test_a_clean_file_loses_almost_nothing(self, seed: int) -> None:
        made = sim.flow(seed, 10000)
        quality = qc.check(made.values, described(made))
        assert (quality.reason > 0).mean() <= 0.002
        assert quality.warnings == ()

    def test_unusual_shares_are_stated(self) -> None:
        made = sim.flow(1, 10000, dead=0.4)
        quality = qc.check(made.values, described(made))
        (warning,) = quality.warnings
        assert warning.startswith("dead gate dropped 40% of the events")

    def test_a_gate_beyond_its_limit_is_not_applied(self) -> None:
        made = sim.flow(1, 10000, dead=0.85)
        quality = qc.check(made.values, described(made))
        assert quality.counts["dead"] == 0
        assert any(w.startswith("dead gate not applied: it would drop 85%") for w in quality.warnings)

    def test_lymphocytes_beside_granulocytes_are_no_debris(self) -> None:
        rng = np.random.default_rng(1)
        made = sim.flow(1, 10000)
        granulocyte = rng.random(10000) < 0.6
        made.values[granulocyte, 1:3] *= 1.9
        made.values[granulocyte, 4:7] = rng.normal(60, 100, (granulocyte.sum(), 3))
        assert qc.check(made.values, described(made)).counts["debris"] == 0

    def test_small_events_with_markers_are_kept(self) -> None:
        made = sim.flow(1, 10000)
        small = made.truth["cell"] == 0
        made.values[small, 1:3] *= 0.15
        quality = qc.check(made.values, described(made))
        assert quality.counts["debris"] == 0
        assert "carry markers and were kept" in quality.rules["debris"]

    def test_many_small_events_are_kept_when_no_marker_confirms_debris(self) -> None:
        made = sim.flow(1, 10000, debris=0.5)
        made.channels = tuple((pnn, pns, "unknown" if role == "marker" else role) for pnn, pns, role in made.channels)
        quality = qc.check(made.values, described(made))
        assert quality.counts["debris"] == 0
        (warning,) = quality.warnings
        assert "kept because no marker confirms debris" in warning

    def test_dye_of_living_cells_is_not_used(self) -> None:
        made = sim.flow(1, 5000, dead=0.2)
        made.channels = (*made.channels[:-1], ("FITC-B", "Calcein AM", "viability"))
        quality = qc.check(made.values, described(made))
        assert quality.counts["dead"] == 0
        assert "stains living cells" in quality.rules["dead"]

    def test_range_that_bounds_nothing_is_no_limit(self) -> None:
        made = sim.flow(1, 5000)
        channels = described(made)
        low = qc.Channels(channels.names, channels.labels, channels.roles, (1023.0,) * 8, "flow")
        assert qc.check(made.values, low).counts["margin"] == 0

    def test_a_few_saturated_events_are_dropped_and_bright_cells_are_kept(self) -> None:
        raw, channels, _ = self.saturated(0)
        before = qc.check(raw, channels).counts["margin"]
        for n in (20, 75, 500):  # of 5000: up to 1 % are dropped
            raw, channels, _ = self.saturated(n)
            quality = qc.check(raw, channels)
            kept = any("events at the detector limit were kept" in text for text in quality.warnings)
            assert kept == (n > 50)
            assert qc.at_limit(raw, channels).bad[: n if n == 20 else 0].all()
            assert before <= quality.counts["margin"] <= before + 20

    def test_the_limit_is_judged_before_compensation(self) -> None:
        raw, channels, column = self.saturated(20)
        bad = qc.at_limit(raw, channels).bad
        compensated = raw.copy()
        compensated[:, column] *= 0.9
        quality = qc.check(compensated, channels, margin=qc.at_limit(raw, channels))
        assert bad[:20].all()
        assert quality.counts["margin"] == int(bad.sum())

    @staticmethod
    def saturated(n: int) -> tuple[np.ndarray, qc.Channels, int]:
        """Flow data whose first `n` events are at the limit of the first marker."""
        made = sim.flow(1, 5000)
        channels = described(made)
        column = channels.with_role("marker")[0]
        values = made.values.copy()
        limit = float(values[:, column].max()) * 1.5
        values[:n, column] = limit
        limits = tuple(limit if i == column else top for i, top in enumerate(channels.limits))
        return values, dataclasses.replace(channels, limits=limits), column

    @pytest.mark.parametrize("n", [1, 2, 150])
    def test_few_events_pass(self, n: int) -> None:
        made = sim.flow(1, 300)
        quality = qc.check(made.values[:n], described(made))
        assert quality.counts == dict.fromkeys(qc.REASONS, 0)

    def test_same_input_same_answer(self) -> None:
        made = sim.flow(7, 8000, debris=0.2, doublets=0.1)
        one, two = (qc.check(made.values.copy(), described(made)) for _ in range(2))
        assert (one.reason == two.reason).all()
        assert one.rules == two.rules


class TestCytof:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_each_fault_is_found_under_its_name(self, seed: int) -> None:
        made = sim.cytof(seed, 20000, debris=0.1, dead=0.1, beads=0.03)
        quality = qc.check(made.values, described(made))
        for reason in ("debris", "dead", "bead"):
            assert sim.sensitivity(dropped(quality, reason), made.truth[reason]) >= 0.97, reason
        assert (quality.reason[made.truth["good"]] > 0).mean() <= 0.02

    @pytest.mark.parametrize("seed", SEEDS)
    def test_doublets_overlap_singlets_and_most_are_found(self, seed: int) -> None:
        made = sim.cytof(seed, 20000, doublets=0.1)
        quality = qc.check(made.values, described(made))
        assert sim.sensitivity(dropped(quality, "doublet"), made.truth["doublet"]) >= 0.6
        assert (quality.reason[made.truth["good"]] > 0).mean() <= 0.02

    @pytest.mark.parametrize("seed", SEEDS)
    def test_fused_ion_clouds_are_found_by_the_gaussian_parameters(self, seed: int) -> None:
        made = sim.clouds(seed)
        fused = made.truth["fused"]
        quality = qc.check(made.values, described(made))
        assert sim.sensitivity(dropped(quality, "doublet"), fused) >= 0.95
        assert sim.loss(quality.reason > 0, fused) <= 0.01
        assert "Residual outside" in quality.rules["doublet"]

    def test_gaussian_parameters_that_were_not_recorded(self) -> None:
        made = sim.clouds(1)
        made.values[:, -4:] = 0
        quality = qc.check(made.values, described(made))
        assert quality.rules["doublet"].endswith(
            "Center not recorded, Offset not recorded, Width not recorded, Residual not recorded"
        )
        assert quality.counts["doublet"] <= 0.01 * len(made.values)

    def test_gaussian_parameters_without_dna(self) -> None:
        made = sim.clouds(2)
        roles = tuple((pnn, pns, "marker" if role == "dna" else role) for pnn, pns, role in made.channels)
        quality = qc.check(made.values, described(dataclasses.replace(made, channels=roles)))
        assert quality.rules["doublet"].startswith("DNA not checked: no DNA channel; Center outside")
        assert sim.sensitivity(dropped(quality, "doublet"), made.truth["fused"]) >= 0.95

    def test_a_marker_on_a_bead_metal_is_no_bead(self) -> None:
        made = sim.cytof(1, 10000)
        made.values[:, 2] = made.values[:, 4] * 8
        quality = qc.check(made.values, described(made))
        assert quality.counts["bead"] == 0
        assert "have DNA and were kept" in quality.rules["bead"]

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_clean_file_loses_little(self, seed: int) -> None:
        made = sim.cytof(seed, 20000)
        assert (qc.check(made.values, described(made)).reason > 0).mean() <= 0.01
