"""FlowSOM against its peers, side by side on one machine: CPU time, memory and quality, as ratios in one run.

    python benchmarks/flowsom.py                               # what this interpreter has
    python benchmarks/flowsom.py --peers .venv-peers/bin/python    # peers in an environment of their own
    python benchmarks/flowsom.py --events 1000000 --markers 30 --skip flowsom,pyflowsom

Each contender runs in its own process on one thread: train, map and metacluster the same events with the same number of
metaclusters, after a warm-up on few events so that compilation is not counted; the least of up to three runs counts.
``fresh`` is the CPU time of another process that does it once without warm-up, the least of three: start-up, imports,
and compiled code that is read from where the first process left it, but not what only this script imports. A peer that
is not installed is skipped with a message.
"""

import os
import resource
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

GRID = (10, 10)
RUNS, ENOUGH = 3, 5.0
"""Most runs in one process, of which the least counts, and seconds of CPU time after which no other begins."""
FRESH = 3
"""Fresh processes, of which the least counts: the first ones may wait for the disk."""


def make(events: int, markers: int, populations: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Events on an arcsinh scale: a tree of marker signatures, sizes by a power law, a third smeared between two."""
    rng = np.random.default_rng(seed)
    levels = np.array([0.3, 1.6, 3.2, 4.8])
    signatures = [rng.choice(levels, markers, p=[0.55, 0.15, 0.15, 0.15])]
    while len(signatures) < populations:
        child = signatures[rng.integers(len(signatures))].copy()
        changed = rng.choice(markers, rng.integers(max(1, markers // 10), max(2, markers // 4) + 1), replace=False)
        child[changed] = rng.choice(levels, len(changed))
        if min(np.abs(child - other).sum() for other in signatures) > 1.2:
            signatures.append(child)
    centres = np.array(signatures) + rng.normal(0, 0.25, (populations, markers))
    share = np.clip(rng.pareto(1.0, populations) + 0.05, 0, 5)
    share = np.maximum(share / share.sum(), 1e-3)
    share /= share.sum()
    y = rng.choice(populations, events, p=share).astype(np.int32)
    smeared = rng.random(events) < 1 / 3
    X = np.empty((events, markers), np.float32)
    for start in range(0, events, 200_000):
        part = slice(start, min(start + 200_000, events))
        weight = np.where(smeared[part], rng.beta(1, 3, part.stop - start), 0)[:, None]
        other = rng.choice(populations, part.stop - start, p=share)
        middle = centres[y[part]] * (1 - weight) + centres[other] * weight
        X[part] = middle + rng.normal(0, 0.45, middle.shape) * np.where(smeared[part], 1.5, 1.0)[:, None]
    np.maximum(X, 0, out=X)
    return X, np.where(smeared, -1, y)


def ours(X: np.ndarray, k: int, seed: int, engine: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from immport_cyto.cluster import FlowSOM

    model = FlowSOM(GRID, n_metaclusters=k, seed=seed, engine=engine).fit(X)
    return model.codes_, model.labels_, model.metaclusters_[model.labels_]


def flowsom(X: np.ndarray, k: int, seed: int, engine: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from flowsom import models

    estimator = {"online": models.FlowSOMEstimator, "batch": models.BatchFlowSOMEstimator}[engine]
    fitted = estimator(n_clusters=k, xdim=GRID[0], ydim=GRID[1], seed=seed).fit(X)
    nodes = np.asarray(fitted.cluster_model.labels_).astype(np.int64)  # fit has mapped; fit_predict would map again
    return fitted.codes, nodes, fitted._y_codes[nodes]


def pyflowsom(X: np.ndarray, k: int, seed: int, _engine: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """It has no metaclusters, so they are made by scipy's average linkage, once instead of a hundred times."""
    from pyFlowSOM import map_data_to_nodes, som
    from scipy.cluster.hierarchy import fcluster, linkage

    data = np.asfortranarray(X, np.float64)
    codes = som(data, xdim=GRID[0], ydim=GRID[1], rlen=10, seed=seed)
    nodes = map_data_to_nodes(codes, data)[0].astype(np.int64) - 1
    return codes, nodes, fcluster(linkage(codes, "average"), k, "maxclust")[nodes]


CONTENDERS = {
    "immport-cyto online": (ours, "online"),
    "immport-cyto batch": (ours, "batch"),
    "flowsom online": (flowsom, "online"),
    "flowsom batch": (flowsom, "batch"),
    "pyflowsom": (pyflowsom, ""),
}


def work(name: str, data: str, k: int, seed: int, out: str) -> None:
    """The measured process: one contender, one seed; without `out` fresh."""
    X = np.load(data)
    function, engine = CONTENDERS[name]
    if not out:
        function(X, k, seed, engine)
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(f'{{"fresh": {used.ru_utime + used.ru_stime}}}')
        return
    import json

    function(X[:3000], k, seed, engine)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    runs = []
    while len(runs) < RUNS and sum(cpu for cpu, _ in runs) < ENOUGH:
        start, begin = time.process_time(), time.perf_counter()
        codes, nodes, metaclusters = function(X, k, seed, engine)
        runs.append((time.process_time() - start, time.perf_counter() - begin))
    cpu, wall = min(runs)
    used = resource.getrusage(resource.RUSAGE_SELF)
    nodes = np.asarray(nodes).astype(np.int64)
    error = sum(
        np.linalg.norm(X[part] - codes[nodes[part]], axis=1).sum()
        for part in (slice(i, i + 100_000) for i in range(0, len(X), 100_000))
    ) / len(X)
    np.save(out, np.asarray(metaclusters).astype(np.int64))
    print(
        json.dumps(
            {
                "cpu": cpu,
                "wall": wall,
                "memory": (used.ru_maxrss - before) / 1024,
                "error": float(error),
            }
        )
    )


def measure(python: str, name: str, data: "Path", k: int, seed: int) -> dict[str, float] | str:
    """Figures of one contender and seed, warm and fresh, or why there are none."""
    warm = run(python, name, data, k, seed, data.parent / "labels.npy")
    if isinstance(warm, str):
        return warm
    from sklearn.metrics import adjusted_rand_score

    labels, y = np.load(data.parent / "labels.npy"), np.load(data.with_name("y.npy"))
    warm["ari"] = adjusted_rand_score(y[y >= 0], labels[y >= 0])
    fresh = [run(python, name, data, k, seed, None) for _ in range(FRESH)]
    failed = next((one for one in fresh if isinstance(one, str)), None)
    return failed or warm | min(fresh, key=lambda one: one["fresh"])


def run(python: str, name: str, data: "Path", k: int, seed: int, out: "Path | None") -> dict[str, float] | str:
    """What one process says, or its last words."""
    import json
    import subprocess

    one_thread = {f"{prefix}_NUM_THREADS": "1" for prefix in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    done = subprocess.run(
        [python, "-P", __file__, "--worker", name, str(data), str(k), str(seed), str(out or "")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **one_thread},
    )
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no message"])[-1]
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        name, data, k, seed, out = sys.argv[2:]
        work(name, data, int(k), int(seed), out)
        return
    import argparse
    import tempfile
    from pathlib import Path

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=265_000)
    parser.add_argument("--markers", type=int, default=32)
    parser.add_argument("--populations", type=int, default=14)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--peers", default=sys.executable, help="interpreter that has flowsom and pyFlowSOM")
    parser.add_argument("--skip", default="", help="contenders to leave out, by the start of their names")
    arguments = parser.parse_args()
    skipped = tuple(word for word in arguments.skip.split(",") if word)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "X.npy"
        X, y = make(arguments.events, arguments.markers, arguments.populations, seed=1)
        np.save(data, X)
        np.save(data.with_name("y.npy"), y)
        print(f"{len(X)} events x {X.shape[1]} markers, {arguments.populations} populations, {arguments.seeds} seed(s)")
        del X, y
        ours_warm = ours_fresh = 0.0
        print(f"{'':22}{'CPU s':>8}{'ratio':>8}{'wall s':>8}{'fresh s':>9}{'ratio':>8}{'MB more':>9}{'QE':>8}   ARI")
        for name in CONTENDERS:
            if skipped and name.startswith(skipped):
                continue
            python = sys.executable if name.startswith("immport") else arguments.peers
            runs = [measure(python, name, data, arguments.populations, seed) for seed in range(arguments.seeds)]
            failed = next((run for run in runs if isinstance(run, str)), None)
            if failed is not None:
                print(f"{name:22}skipped: {failed}")
                continue
            mean = {
                key: float(np.mean([run[key] for run in runs])) for key in ("cpu", "wall", "fresh", "memory", "error")
            }
            scores = [run["ari"] for run in runs]
            ours_warm, ours_fresh = ours_warm or mean["cpu"], ours_fresh or mean["fresh"]
            ari = f"{np.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"
            print(
                f"{name:22}{mean['cpu']:8.3f}{mean['cpu'] / ours_warm:8.1f}{mean['wall']:8.2f}{mean['fresh']:9.3f}"
                f"{mean['fresh'] / ours_fresh:8.1f}{mean['memory']:9.0f}{mean['error']:8.3f}   {ari}",
                flush=True,
            )


if __name__ == "__main__":
    main()
