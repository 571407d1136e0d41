"""Explicit thresholds: what a user writes is what is dropped."""

from pathlib import Path

import numpy as np
import pytest

from immport_cyto import events, fcs
from immport_cyto.events import qc, thresholds
from immport_cyto.events.thresholds import Threshold, parse_rules
from immport_cyto.exceptions import OptionError
from support import events_simulated as sim

NAMES = ("FSC-A", "FSC-H", "PE/Cy7-A", "APC-A")
LABELS = ("", "", "CD4", "CD8")


def drop(*texts: str, values: np.ndarray) -> np.ndarray:
    rules = [rule for given in parse_rules(texts).values() for rule in given]
    return thresholds.apply(rules, values, len(values), NAMES, LABELS, "a.fcs").bad


def test_both_sides_and_the_names_of_channels() -> None:
    values = np.array([[1, 1, 5, 9], [2, 1, 6, 8], [3, 1, 7, 7]], dtype=np.float32)
    assert drop("debris: FSC-A < 2", values=values).tolist() == [True, False, False]
    assert drop("debris: FSC-A > 2", values=values).tolist() == [False, False, True]
    assert drop("dead: cd4 > 6.5", values=values).tolist() == [False, False, True]
    assert drop("dead: PE/Cy7-A > 5.5", values=values).tolist() == [False, True, True]
    assert drop("dead: CD4 < 6", "dead: APC-A < 8", values=values).tolist() == [True, False, True]


def test_ratio_of_channels_even_with_a_slash_in_a_name() -> None:
    values = np.array([[2, 1, 1, 2], [3, 1, 4, 2], [1, 0, 1, 2], [1, -1, 1, 2]], dtype=np.float32)
    assert drop("doublet: FSC-A / FSC-H > 2.5", values=values).tolist() == [False, True, True, True]
    assert drop("doublet: PE/Cy7-A/APC-A > 1.5", values=values).tolist() == [False, True, False, False]


def test_what_a_rule_is() -> None:
    rules = parse_rules(["Time: shift > 0.2", "BEAD: off", "debris:FSC-A<30,000", "debris: FSC-A > 2e5"])
    assert rules["time"] == (Threshold("time", "shift", ">", 0.2),)
    assert rules["debris"] == (Threshold("debris", "FSC-A", "<", 30000), Threshold("debris", "FSC-A", ">", 200000))
    assert [str(rule) for rule in rules["bead"]] == ["off"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["FSC-A < 3"], "does not start with margin, time, bead, debris, doublet, dead and a colon"),
        (["small: FSC-A < 3"], "does not start with"),
        (["debris: FSC-A = 3"], "is not of the form reason: channel > number; write debris: FSC-A < 30000"),
        (["debris: FSC-A < nan"], "is not of the form"),
        (["time: shift > 0.7"], "is impossible; write time: shift > 0.1"),
        (["time: rate > 0.5"], "is impossible"),
        (["time: rate < 3"], "is impossible"),
        (["dead: off", "dead: CD4 > 3"], "threshold 'dead' is off and has a value too"),
        (["time: rate > 3", "time: Time < 3"], "has a limit of shift or rate and one of a channel"),
    ],
)
def test_wrong_text_says_what_to_do(texts: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_rules(texts)


def test_a_channel_that_is_not_there() -> None:
    with pytest.raises(
        OptionError, match=r"a.fcs: threshold 'dead: Aqua > 3': 'Aqua' is no channel; the file has FSC-A"
    ):
        drop("dead: Aqua > 3", values=np.ones((2, 4)))


def check(made: sim.Simulated, *texts: str) -> qc.Quality:
    names, labels, roles = (tuple(column) for column in zip(*made.channels, strict=True))
    channels = qc.Channels(names, labels, roles, (np.nan,) * len(names), made.technique)
    return qc.check(made.values, channels, rules_given=parse_rules(texts), source="a.fcs")


def test_a_threshold_replaces_the_automatic_gate_and_has_no_limit() -> None:
    made = sim.flow(1, 5000, debris=0.1, dead=0.1)
    automatic = check(made)
    quality = check(made, "debris: FSC-A < 80000", "dead: off")
    fsc = made.values[:, 1]
    assert quality.counts["debris"] == (fsc < 80000).sum() > 0.5 * 5000
    assert quality.counts["dead"] == 0 < automatic.counts["dead"]
    assert quality.rules["debris"] == "FSC-A < 80000 (given)"
    assert quality.rules["dead"] == "switched off"
    assert quality.counts["doublet"] <= automatic.counts["doublet"]
    assert any("debris gate dropped" in text for text in quality.warnings)


def test_limits_of_the_check_of_time() -> None:
    made = sim.unstable(1, "clog")
    assert check(made).counts["time"] > 0
    quality = check(made, "time: rate > 50", "time: shift > 0.45")
    assert quality.counts["time"] == 0
    assert "given: rate > 50" in quality.rules["time"]


def test_in_preprocess(tmp_path: Path) -> None:
    made = sim.flow(1, 3000)
    channels = [fcs.Channel(n, pnn, pns, 32, float(sim.LIMIT)) for n, (pnn, pns, _) in enumerate(made.channels, 1)]
    fcs.write(tmp_path / "a.fcs", made.values, channels, {})
    options = {"file_name": "a.fcs", "panel": made.panel("a.fcs"), "compensation": "none"}
    row = events.preprocess(tmp_path / "a.fcs", tmp_path / "o.fcs", thresholds=["debris: CD3 < 1000"], **options).row
    low = (made.values[:, 4] < 1000).sum()
    assert row["n_debris"] == low > 0
    assert fcs.open(tmp_path / "o.fcs").events([4]).min() >= np.arcsinh(1000 / 150) - 1e-5
    with pytest.raises(OptionError, match="has no use with qc none"):
        events.preprocess(tmp_path / "a.fcs", tmp_path / "p.fcs", qc="none", thresholds=["dead: off"], **options)
