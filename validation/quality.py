"""Print how quality control does on simulated faults of known truth, beside the rules of PeacoQC and flowAI.

    python validation/quality.py [--seeds 10]

Bar: at least 95 % of the bad events found at no more than 5 % of the good ones lost. Faults in time are those of
`tests/support/events_simulated.py`: a clog (a third of the rate, dimmer signals), a surge of the rate, bubbles, a
drift, a step of one detector, a slower rate, very short disturbances (blips), one marker at half of its brightness
(dim), and a slow drift (ramp). The peers are the published rules in their plainest form: PeacoQC's MAD rule (a bin of
500 events is bad when the median of a channel is more than 6 MAD from the median over the bins) and flowAI's rule for
the rate (bins of equal time whose count is more than 4 MAD from the median), both joined.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from immport_cyto.events import qc, stability

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support import events_simulated as sim

FAULTS = ("clog", "surge", "bubbles", "drift", "step", "slow", "blips", "dim", "ramp")


def peers(time: np.ndarray, signals: np.ndarray) -> np.ndarray:
    """PeacoQC's MAD rule and flowAI's rule of the rate, joined."""
    bins = np.arange(len(signals)) // 500
    count = bins[-1] + 1
    bad = np.zeros(len(signals), dtype=bool)
    for column in np.arcsinh(signals / 150).T:
        medians = np.array([np.median(column[bins == b]) for b in range(count)])
        bad |= (np.abs(medians - np.median(medians)) > 6 * mad(medians))[bins]
    edges = np.linspace(time.min(), time.max() + 1e-6, 151)
    which = np.digitize(time, edges) - 1
    rate = np.bincount(which, minlength=150).astype(float)
    return bad | (np.abs(rate - np.median(rate)) > 4 * mad(rate))[which]


def mad(x: np.ndarray) -> float:
    return max(1.4826 * float(np.median(np.abs(x - np.median(x)))), 1e-12)


def line(label: str, found: list[float], lost: list[float]) -> str:
    reached = "" if min(found) >= 0.95 and max(lost) <= 0.05 else "  below the bar"
    return f"{label:44}{np.mean(found):8.1%}{min(found):8.1%}{np.mean(lost):8.2%}{max(lost):8.2%}{reached}"


def in_time(n: int, seeds: range) -> None:
    for fault in FAULTS:
        rows: dict[str, tuple[list[float], list[float]]] = {"": ([], []), ", PeacoQC + flowAI rules": ([], [])}
        for seed in seeds:
            made = sim.unstable(seed, fault, n)
            time, signals = made.values[:, 0].astype(np.float64), made.values[:, 1:]
            names = tuple(channel[0] for channel in made.channels[1:])
            decisions = (stability.check(time, signals, names).bad, peers(time, signals))
            for (found, lost), bad in zip(rows.values(), decisions, strict=True):
                found.append(sim.sensitivity(bad, made.truth["time"]))
                lost.append(sim.loss(bad, made.truth["time"]))
        for who, (found, lost) in rows.items():
            print(line(f"{fault}, {n:,} events{who}", found, lost))


def of_kind(make: Callable[[int], sim.Simulated], reasons: dict[str, str], label: str, seeds: range) -> None:
    found: dict[str, list[float]] = {reason: [] for reason in reasons}
    lost: list[float] = []
    for seed in seeds:
        made = make(seed)
        names, labels, roles = (tuple(column) for column in zip(*made.channels, strict=True))
        limits = tuple(sim.LIMIT - 1.0 if role == "scatter" else np.nan for role in roles)
        quality = qc.check(made.values, qc.Channels(names, labels, roles, limits, made.technique))
        bad = np.zeros(len(made.values), dtype=bool)
        for reason, truth in reasons.items():
            bad |= made.truth[truth]
            code = qc.REASONS.index(reason) + 1
            found[reason].append(sim.sensitivity(quality.reason == code, made.truth[truth]))
        lost.append(sim.loss(quality.reason > 0, bad))
    for reason in reasons:
        print(line(f"{label}: {reason}", found[reason], lost))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    seeds = range(1, parser.parse_args().seeds + 1)
    print(f"{'':44}{'found':>8}{'least':>8}{'lost':>8}{'most':>8}")
    for n in (30_000, 10_000, 5_000):
        in_time(n, seeds)
    flow = {"margin": "margin", "debris": "debris", "doublet": "doublet", "dead": "dead"}
    for n in (20_000, 3_000):
        of_kind(
            lambda seed, n=n: sim.flow(seed, n, debris=0.15, doublets=0.06, dead=0.08, margin=0.01),
            flow, f"flow, {n:,} events", seeds,
        )  # fmt: skip
    mass = {"bead": "bead", "debris": "debris", "dead": "dead"}
    of_kind(lambda seed: sim.cytof(seed, 20_000, debris=0.1, dead=0.1, beads=0.03), mass, "CyTOF, 20,000 events", seeds)
    of_kind(lambda seed: sim.cytof(seed, 20_000, doublets=0.1), {"doublet": "doublet"}, "CyTOF, DNA only", seeds)
    of_kind(sim.clouds, {"doublet": "fused"}, "CyTOF, Gaussian parameters", seeds)


if __name__ == "__main__":
    main()
