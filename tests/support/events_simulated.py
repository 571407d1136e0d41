"""Events with known faults, for the tests of the events stage."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

FLOW_CHANNELS = (
    ("Time", "", "time"),
    ("FSC-A", "", "scatter"),
    ("FSC-H", "", "scatter"),
    ("SSC-A", "", "scatter"),
    ("FITC-A", "CD3", "marker"),
    ("PE-A", "CD4", "marker"),
    ("APC-A", "CD8", "marker"),
    ("Zombie Aqua-A", "Live/Dead", "viability"),
)
CYTOF_CHANNELS = (
    ("Time", "", "time"),
    ("Event_length", "", "event"),
    ("Ce140Di", "Bead", "bead"),
    ("Nd142Di", "CD19", "marker"),
    ("Er170Di", "CD3", "marker"),
    ("Ir191Di", "DNA1", "dna"),
    ("Ir193Di", "DNA2", "dna"),
    ("Pt195Di", "Cisplatin", "viability"),
)
LIMIT = 262144


@dataclass
class Simulated:
    """Events x channels, linear scale, with the truth per event."""

    values: np.ndarray
    channels: tuple[tuple[str, str, str], ...]
    technique: str
    truth: dict[str, np.ndarray] = field(default_factory=dict)

    def panel(self, file_name: str, panel_id: str | None = None) -> pd.DataFrame:
        rows = [
            {
                "file_name": file_name,
                "panel_id": panel_id or f"{self.technique}-3m-abcdef",
                "channel_number": number,
                "fcs_colname": pnn,
                "description": pns,
                "antigen": pns if role == "marker" else "",
                "marker_class": "type" if role == "marker" else "none",
                "role": role,
            }
            for number, (pnn, pns, role) in enumerate(self.channels, 1)
        ]
        return pd.DataFrame(rows)


def sensitivity(flagged: np.ndarray, bad: np.ndarray) -> float:
    return float(flagged[bad].mean())


def loss(flagged: np.ndarray, bad: np.ndarray) -> float:
    """Share of the good events that were flagged."""
    return float(flagged[~bad].mean())


def flow(
    seed: int = 1, n: int = 20000, debris: float = 0.0, doublets: float = 0.0, dead: float = 0.0, margin: float = 0.0
) -> Simulated:
    rng = np.random.default_rng(seed)
    kind = rng.choice(5, size=n, p=[1 - debris - doublets - dead - margin, debris, doublets, dead, margin])
    is_debris, is_doublet, is_dead, is_margin = (kind == code for code in (1, 2, 3, 4))
    cell = rng.choice(3, size=n, p=[0.45, 0.25, 0.30])  # CD4 T, CD8 T, neither
    height = np.where(cell < 2, rng.normal(70e3, 7e3, n), rng.normal(85e3, 12e3, n))
    height = np.where(is_debris, rng.lognormal(np.log(9e3), 0.35, n), np.maximum(height, 2e4))
    area = height * rng.normal(1.02, 0.035, n) * np.where(is_doublet, rng.normal(1.75, 0.08, n), 1.0)
    ssc = np.where(cell < 2, rng.normal(30e3, 6e3, n), rng.normal(60e3, 15e3, n))
    ssc = np.where(is_debris, rng.lognormal(np.log(6e3), 0.5, n), ssc) * np.where(is_doublet, 1.8, 1.0)
    area = np.where(is_margin, LIMIT - 1, np.minimum(area, LIMIT - 2))

    def stain(positive: np.ndarray, mean: float) -> np.ndarray:
        bright = np.where(positive & ~is_debris, rng.lognormal(np.log(mean), 0.4, n), 0.0)
        return bright + rng.normal(0, 120, n) + 60

    time = np.sort(rng.uniform(0, 60_000, n))
    dye = np.where(is_dead, rng.lognormal(np.log(20e3), 0.4, n), rng.lognormal(np.log(180), 0.6, n))
    values = np.column_stack([
        time, area, height, ssc,
        stain(cell < 2, 8e3), stain(cell == 0, 6e3), stain(cell == 1, 15e3),
        dye + rng.normal(0, 60, n),
    ]).astype(np.float32)  # fmt: skip
    truth = {"debris": is_debris, "doublet": is_doublet, "dead": is_dead, "margin": is_margin, "good": kind == 0}
    return Simulated(values, FLOW_CHANNELS, "flow", truth | {"cell": cell})


def unstable(seed: int, fault: str, n: int = 30000) -> Simulated:
    """A clean acquisition with a part that is not.

    `fault` is clog, surge, bubbles, drift, step, slow (rate only), blips, ramp or dim (one marker only).
    """
    made = flow(seed, n)
    rng = np.random.default_rng(seed + 1000)
    time = made.values[:, 0].astype(np.float64)
    signals = made.values[:, 4:]
    bad = np.zeros(n, dtype=bool)
    keep = np.ones(n, dtype=bool)
    if fault == "clog":  # a third of the rate and dimmer signals for 12 % of the time
        bad = (time > 20_000) & (time < 27_000)
        keep = ~bad | (rng.random(n) < 0.33)
        signals[bad] *= 0.55
    elif fault == "surge":  # four times the rate, signals as before
        bad = (time > 30_000) & (time < 33_000)
        extra = np.flatnonzero(bad)
        extra = np.repeat(extra, 3)
        more = made.values[rng.permutation(n)[: len(extra)]].copy()
        more[:, 0] = rng.uniform(30_000, 33_000, len(extra))
        order = np.argsort(np.r_[time, more[:, 0]], kind="stable")
        made.values = np.concatenate([made.values, more])[order]
        made.truth = {"time": np.r_[bad, np.ones(len(extra), bool)][order]}
        return made
    elif fault == "bubbles":  # three short disturbances
        for start in (9_000, 31_000, 52_000):
            here = (time > start) & (time < start + 1_500)
            bad |= here
            signals[here] *= rng.uniform(0.1, 0.5, here.sum())[:, None]
    elif fault == "drift":  # the last quarter falls to half
        bad = time > 45_000
        signals[:] *= np.where(bad, np.interp(time, [45_000, 46_000, 60_000], [1, 0.75, 0.4]), 1)[:, None]
    elif fault == "step":  # the voltage of one detector changes
        bad = time < 12_000
        signals[bad, 1] = signals[bad, 1] * 2.2 + 300
    elif fault == "slow":  # less than half of the rate, signals as before
        bad = (time > 20_000) & (time < 27_000)
        keep = ~bad | (rng.random(n) < 0.42)
    elif fault == "blips":  # four very short disturbances
        for start in (5_000, 22_000, 33_000, 51_000):
            here = (time > start) & (time < start + 400)
            bad |= here
            signals[here] *= rng.uniform(0.05, 0.5, here.sum())[:, None]
    elif fault == "dim":  # the marker of less than half of the cells at half of its brightness, for 15 % of the time
        bad = (time > 20_000) & (time < 29_000)
        signals[bad, 1] *= 0.5
    elif fault == "ramp":  # falls slowly to half in the last 30 %; it begins with a fall that nobody can see
        bad = time > 42_000
        signals[:] *= np.where(bad, np.interp(time, [42_000, 60_000], [1, 0.5]), 1)[:, None]
    made.values = made.values[keep]
    made.truth = {"time": bad[keep]}
    return made


def cytof(
    seed: int = 1, n: int = 20000, debris: float = 0.0, doublets: float = 0.0, dead: float = 0.0, beads: float = 0.0
) -> Simulated:
    rng = np.random.default_rng(seed)
    kind = rng.choice(5, size=n, p=[1 - debris - doublets - dead - beads, debris, doublets, dead, beads])
    is_debris, is_doublet, is_dead, is_bead = (kind == code for code in (1, 2, 3, 4))
    nucleus = rng.lognormal(np.log(700), 0.18, n)
    nucleus = np.where(is_doublet, nucleus * rng.normal(2.0, 0.1, n), nucleus)
    nucleus = np.where(is_debris, rng.gamma(1.0, 8.0, n), np.where(is_bead, rng.gamma(1.0, 3.0, n), nucleus))
    cell = rng.choice(2, size=n, p=[0.3, 0.7])

    def counts(mean: np.ndarray) -> np.ndarray:
        return rng.poisson(np.maximum(mean, 0)) - rng.random(n)

    marked = ~(is_debris | is_bead)
    values = np.column_stack([
        np.sort(rng.uniform(0, 600_000, n)),
        np.clip(rng.normal(25, 4, n) * np.where(is_doublet, 1.4, 1), 10, 75).round(),
        counts(np.where(is_bead, rng.lognormal(np.log(1500), 0.2, n), rng.gamma(1, 1.0, n))),
        counts(np.where(marked & (cell == 0), rng.lognormal(np.log(120), 0.5, n), rng.gamma(1, 1.0, n))),
        counts(np.where(marked & (cell == 1), rng.lognormal(np.log(250), 0.5, n), rng.gamma(1, 1.5, n))),
        counts(nucleus), counts(nucleus * 1.7),
        counts(np.where(is_dead, rng.lognormal(np.log(900), 0.4, n), rng.gamma(2.0, 5.0, n))),
    ]).astype(np.float32)  # fmt: skip
    truth = {"debris": is_debris, "doublet": is_doublet, "dead": is_dead, "bead": is_bead, "good": kind == 0}
    return Simulated(values, CYTOF_CHANNELS, "cytof", truth | {"cell": cell})


def clouds(seed: int = 1, n: int = 20000, fused: float = 0.05) -> Simulated:
    """Mass cytometry with Gaussian parameters; the clouds of some single cells overlap with others in time."""
    made = cytof(seed, n)
    rng = np.random.default_rng(seed + 2000)
    bad = rng.random(n) < fused
    shapes = {
        "Center": rng.lognormal(np.log(600), 0.10, n),
        "Offset": rng.lognormal(np.log(90), 0.12, n) * np.where(bad, rng.choice([0.4, 1.0], n), 1),
        "Width": rng.lognormal(np.log(60), 0.10, n) * np.where(bad, rng.uniform(1.6, 2.4, n), 1),
        "Residual": rng.lognormal(np.log(80), 0.25, n) * np.where(bad, rng.uniform(2.5, 6, n), 1),
    }
    values = np.column_stack([made.values, *shapes.values()]).astype(np.float32)
    channels = made.channels + tuple((name, "", "event") for name in shapes)
    return Simulated(values, channels, "cytof", made.truth | {"fused": bad})


def stained(
    seed: int,
    spill: np.ndarray,
    own: int | None,
    *,
    n: int = 6000,
    positive: float = 0.5,
    brightness: float = 10_000,
    outliers: float = 0.02,
) -> np.ndarray:
    """Events x detectors of a single-stain control (`own` None: unstained): autofluorescence that the detectors share,
    noise of photons and electronics, and a share of events that are something else."""
    rng = np.random.default_rng([seed, 99 if own is None else own])
    detectors = len(spill)
    light = rng.lognormal(0, 0.35, n)[:, None] * np.linspace(20, 80, detectors)
    if own is not None:
        dye = np.where(rng.random(n) < positive, brightness * rng.lognormal(0, 0.5, n), 0)
        light = light + dye[:, None] * spill[own]
    odd = rng.random(n) < outliers
    light[odd] += rng.lognormal(7, 1.5, (int(odd.sum()), detectors))
    return light + rng.normal(size=light.shape) * np.sqrt(8 * light) + rng.normal(0, 25, light.shape)
