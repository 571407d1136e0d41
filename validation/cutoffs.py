"""Print how `population.cutoff` does on simulated markers: positives found, and cuts where there is one group.

    python validation/cutoffs.py [--repeats 20] [--events 10000]

The first table is the simulation of issue 7 (negatives N(1, 0.5), positives N(4, 0.7)). The second lists one-group
shapes as flow and mass cytometry give them; "zeros x %, mean m" are counts of which x % are zero and the others
exponential with mean m, after arcsinh(count / 5). Shapes under "not one group" are shown for the record.
"""

import argparse
import time

import numpy as np

from immport_cyto.population import cutoff

ONE_GROUP = {
    "normal": lambda r, n: r.normal(size=n),
    "lognormal, sigma 0.25": lambda r, n: np.exp(0.25 * r.normal(size=n)),
    "lognormal, sigma 0.5": lambda r, n: np.exp(0.5 * r.normal(size=n)),
    "lognormal, sigma 1": lambda r, n: np.exp(r.normal(size=n)),
    "gamma 2": lambda r, n: r.gamma(2, size=n),
    "gamma 5": lambda r, n: r.gamma(5, size=n),
    "exponential": lambda r, n: r.exponential(size=n),
    "half normal + noise": lambda r, n: np.abs(r.normal(size=n)) + 0.2 * r.normal(size=n),
    "beta(2, 5)": lambda r, n: r.beta(2, 5, size=n),
    "uniform": lambda r, n: r.random(n),
    "Laplace": lambda r, n: r.laplace(size=n),
    "Student t, 3 df": lambda r, n: r.standard_t(3, size=n),
    "Student t, 2 df": lambda r, n: r.standard_t(2, size=n),
    "whole numbers, N(500, 80)": lambda r, n: np.round(r.normal(500, 80, n)),
    "CyTOF: zeros 30 %, mean 1": lambda r, n: _zeros(r, n, 0.3, 1),
    "CyTOF: zeros 60 %, mean 1": lambda r, n: _zeros(r, n, 0.6, 1),
    "CyTOF: zeros 80 %, mean 1": lambda r, n: _zeros(r, n, 0.8, 1),
    "CyTOF: zeros 30 %, mean 3": lambda r, n: _zeros(r, n, 0.3, 3),
    "CyTOF: zeros 60 %, mean 3": lambda r, n: _zeros(r, n, 0.6, 3),
    "CyTOF: zeros 80 %, mean 3": lambda r, n: _zeros(r, n, 0.8, 3),
    "CyTOF: max(0, N(0, 2))": lambda r, n: np.arcsinh(np.maximum(0, r.normal(0, 2, n)) / 5),
    "CyTOF: |N(0, 3)|": lambda r, n: np.arcsinh(np.abs(r.normal(0, 3, n)) / 5),
    "CyTOF: Poisson 0.5, spread": lambda r, n: np.arcsinh((r.poisson(0.5, n) - r.random(n)) / 5),
    "CyTOF: Poisson 2, spread": lambda r, n: np.arcsinh((r.poisson(2, n) - r.random(n)) / 5),
    "CyTOF: Poisson 20, spread": lambda r, n: np.arcsinh((r.poisson(20, n) - r.random(n)) / 5),
    "CyTOF: neg. binomial 1, whole": lambda r, n: np.arcsinh(r.poisson(r.exponential(1, n)) / 5),
    "CyTOF: neg. binomial 3, whole": lambda r, n: np.arcsinh(r.poisson(r.exponential(3, n)) / 5),
    "flow: N(0, 60) / 150": lambda r, n: np.arcsinh(r.normal(0, 60, n) / 150),
    "flow: N(50, 150) / 150": lambda r, n: np.arcsinh(r.normal(50, 150, n) / 150),
    "flow: N(50, 400) / 150": lambda r, n: np.arcsinh(r.normal(50, 400, n) / 150),
    "flow: Student t, 3 df": lambda r, n: np.arcsinh(r.standard_t(3, size=n)),
}
NOT_ONE_GROUP = {
    "CyTOF: zeros 60 %, mean 10": lambda r, n: _zeros(r, n, 0.6, 10),
    "CyTOF: zeros 80 %, mean 10": lambda r, n: _zeros(r, n, 0.8, 10),
}


def _zeros(r: np.random.Generator, n: int, share: float, mean: float) -> np.ndarray:
    return np.arcsinh(np.where(r.random(n) < share, 0, r.exponential(mean, n)) / 5)


def f1(share: float, n: int, seed: int) -> float:
    """F1 of the ``+`` gate on one simulated marker."""
    r = np.random.default_rng(seed)
    k = round(share * n)
    values = np.concatenate([r.normal(1, 0.5, n - k), r.normal(4, 0.7, k)])
    truth = np.arange(n) >= n - k
    found = cutoff(values)
    called = values > found.value if found.value is not None else np.zeros(n, bool)
    return float(2 * (called & truth).sum() / (called.sum() + truth.sum()))


def false_cuts(name: str, n: int, repeats: int) -> int:
    """How many of `repeats` samples of a shape are cut."""
    make = {**ONE_GROUP, **NOT_ONE_GROUP}[name]
    scale = "arcsinh" if name.startswith(("CyTOF", "flow")) else None
    return sum(cutoff(make(np.random.default_rng(seed), n), scale=scale).value is not None for seed in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--events", type=int, default=10_000)
    options = parser.parse_args()
    n, repeats = options.events, options.repeats
    print(f"F1 of the + gate, {repeats} samples of {n:,} events\npositives   mean   lowest")
    for share in (0.5, 0.3, 0.1, 0.05, 0.02, 0.01):
        scores = [f1(share, n, seed) for seed in range(repeats)]
        print(f"{100 * share:7.1f} %  {np.mean(scores):.3f}  {min(scores):.3f}")
    print(f"\nCuts where there is one group, of {repeats} samples")
    total = 0
    for name in ONE_GROUP:
        cuts = false_cuts(name, n, repeats)
        total += cuts
        print(f"{name:32} {cuts:4d}")
    print(f"{'all':32} {total:4d} of {repeats * len(ONE_GROUP)} = {100 * total / (repeats * len(ONE_GROUP)):.2f} %")
    print("\nNot one group (zeros and a dim signal)")
    for name in NOT_ONE_GROUP:
        print(f"{name:32} {false_cuts(name, n, repeats):4d}")
    r = np.random.default_rng(0)
    for label, values in (
        ("two groups", np.concatenate([r.normal(0, 1, 700_000), r.normal(5, 1, 300_000)])),
        ("one group", r.normal(size=1_000_000)),
    ):
        start = time.perf_counter()
        cutoff(values)
        print(f"\n1,000,000 values, {label}: {time.perf_counter() - start:.2f} s", end="")
    print()


if __name__ == "__main__":
    main()
