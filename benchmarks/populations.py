"""populations.tsv of 2,000 samples x 60 populations over 20 studies: effects per study, pooled, with a forest plot.

    python benchmarks/populations.py [--visits]

Runs the commands `meta effects` and `meta pool` as a shell does, reading and writing included; the aim is 20 s for both
together. With --visits every subject has two samples, so that each study takes the mixed model.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

STUDIES, SAMPLES, POPULATIONS, AIM = 20, 2000, 60, 20.0


def simulated(*, visits: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """POPULATIONS and SAMPLES: every second population changes with age, studies differ in their effect."""
    rng = np.random.default_rng(1)
    number = np.arange(SAMPLES)
    subject = number // 2 if visits else number
    study = subject * STUDIES // (subject.max() + 1)
    name = np.char.add("s", number.astype(str))
    samples = pd.DataFrame({
        "file_name": np.char.add(name, ".fcs"), "sample_id": np.char.add("ES", name),
        "study_accession": np.char.add("SDY", study.astype(str)),
        "subject_accession": np.char.add("SUB", subject.astype(str)),
        "age_years": rng.uniform(20, 80, SAMPLES).round(1)[subject],
        "sex": np.array(["Female", "Male"])[subject % 2], "study_time_days": 28.0 * (number % 2 if visits else 0),
    })  # fmt: skip
    parts = []
    for i in range(POPULATIONS):
        slope = 0.02 * (i % 2) + rng.normal(0, 0.005, STUDIES)[study]
        own = rng.normal(0, 0.4, SAMPLES)[subject] + rng.normal(0, 0.2, SAMPLES)
        share = 1 / (1 + np.exp(2 - slope * (samples["age_years"] - 50) - own))
        events = rng.binomial(20_000, share)
        parts.append(samples[["study_accession", "sample_id", "file_name"]].assign(
            panel_id="flow-10m-abc123", method="search", population=f"population {i:02d}", definition=f"CD{i + 1}+",
            n_events=events, n_parent=20_000, fraction=events / 20_000,
        ))  # fmt: skip
    return pd.concat(parts, ignore_index=True), samples


def timed(*command: str) -> float:
    """Seconds of an immport-cyto command."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "immport_cyto", *command], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    print(f"{' '.join(command[:2]):20} {seconds:6.1f} s")
    return seconds


def main() -> None:
    """Print the seconds of each command and of both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", action="store_true", help="two samples of each subject")
    visits = parser.parse_args().visits
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        for table, name in zip(simulated(visits=visits), ("populations", "samples"), strict=True):
            table.to_csv(out / f"{name}.tsv", sep="\t", index=False)
        total = timed(
            "meta", "effects", "--populations", f"{out}/populations.tsv", "--samples", f"{out}/samples.tsv",
            "--formula", "age_years + sex" + (" + study_time_days" if visits else ""), "--out", f"{out}/effects.tsv",
        )  # fmt: skip
        total += timed(
            "meta", "pool", f"{out}/effects.tsv", "--out", f"{out}/meta.tsv", "--forest", f"{out}/forest.svg"
        )
        pooled = pd.read_csv(out / "meta.tsv", sep="\t")
        effects = int(((pooled["k"] == STUDIES) & pooled["omitted"].isna()).sum())
        print(f"{'both':20} {total:6.1f} s, {effects} effects pooled over {STUDIES} studies (aim: {AIM:g} s)")


if __name__ == "__main__":
    main()
