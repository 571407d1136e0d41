"""False-positive rates of `meta effects` and `meta pool` on data without an effect.

Run it with ``python validation/meta.py [replicates] [seed]``; it prints the tables of docs/methods-meta.md. Each
replicate is one population, so that one call of `meta.effects` does them all. Rates are at the level .05; the column
"within" is the range in which 95 % of such simulations of an exact test fall.
"""

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd

from immport_cyto import meta

Noise = Callable[[np.random.Generator, pd.DataFrame], np.ndarray]


def tables(samples: pd.DataFrame, noise: Noise, replicates: int, rng: np.random.Generator) -> pd.DataFrame:
    """Populations without an effect: the fraction is the inverse logit of noise around -2."""
    parts = []
    for replicate in range(replicates):
        part = samples[["study_accession", "panel_id", "sample_id", "file_name"]].copy()
        total = 20_000
        share = 1 / (1 + np.exp(2 - noise(rng, samples)))
        part["method"], part["population"] = "search", f"null {replicate:05d}"
        part["n_events"], part["n_parent"] = rng.binomial(total, share), total
        part["fraction"] = part["n_events"] / total
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def subjects(
    files: list[int], rng: np.random.Generator, study: str = "SDY1", panels: tuple[str, ...] = ("p",)
) -> pd.DataFrame:
    """Samples of one study: a subject for each number of `files`, panels in turn, visits 0, 30, 60, ... days."""
    rows = []
    for i, n in enumerate(files):
        age, sex = round(float(rng.uniform(20, 80)), 1), ("Female", "Male")[i % 2]
        for j in range(n):
            name = f"{study}_{i}_{j}.fcs"
            rows.append((name, name, study, f"{study}SUB{i}", age, sex, 30.0 * j, panels[(i + j) % len(panels)]))
    names = ["file_name", "sample_id", "study_accession", "subject_accession", "age_years", "sex", "study_time_days"]
    return pd.DataFrame(rows, columns=[*names, "panel_id"])


def repeated(icc: float, panel_offset: float = 0.0) -> Noise:
    """Normal noise with a share `icc` of the variance between subjects."""

    def draw(rng: np.random.Generator, samples: pd.DataFrame) -> np.ndarray:
        code, names = pd.factorize(samples["subject_accession"])
        own = rng.normal(0, np.sqrt(icc), len(names))[code] + rng.normal(0, np.sqrt(1 - icc), len(samples))
        return 0.5 * own + panel_offset * (samples["panel_id"] == "q").to_numpy()

    return draw


def rate(p_values: pd.Series) -> str:
    """Share of p values below .05, and where it should be."""
    p = p_values.dropna()
    half = 1.96 * np.sqrt(0.05 * 0.95 / max(len(p), 1))
    return f"{(p < 0.05).mean():.3f}   (within {0.05 - half:.3f}-{0.05 + half:.3f}, {len(p)} fits)"


def naive(populations: pd.DataFrame, samples: pd.DataFrame) -> pd.Series:
    """P value of age with each file counted as independent, the way of MetaCyto."""
    alone = samples.assign(subject_accession=samples["file_name"])
    effects = meta.effects(populations, alone, "age_years + sex", term="age_years")
    return effects["p_value"]


def within_study(replicates: int, rng: np.random.Generator) -> None:
    """Repeated samples."""
    uneven = [1, 2, 3, 4, 5] * 4
    cases = {
        "20 subjects x 3 files, ICC .7": (subjects([3] * 20, rng), repeated(0.7), "age_years + sex", "age_years"),
        "the same, ICC 0": (subjects([3] * 20, rng), repeated(0.0), "age_years + sex", "age_years"),
        "20 subjects x 1-5 files, ICC .7": (subjects(uneven, rng), repeated(0.7), "age_years + sex", "age_years"),
        "20 x 3, ICC .7, 2 panels, shifted": (
            subjects([3] * 20, rng, panels=("p", "q")), repeated(0.7, 1.0), "age_years + sex", "age_years",
        ),
        "20 x 1, 2 panels, shifted": (
            subjects([1] * 20, rng, panels=("p", "q")), repeated(0.7, 1.0), "age_years", "age_years",
        ),
        "20 x 3 visits, ICC .7: time": (
            subjects([3] * 20, rng), repeated(0.7), "age_years + study_time_days", "study_time_days",
        ),
        "20 x 3 visits, ICC .7: age": (
            subjects([3] * 20, rng), repeated(0.7), "age_years + study_time_days", "age_years",
        ),
        "20 x 1-5 visits, ICC .7: time": (
            subjects(uneven, rng), repeated(0.7), "age_years + study_time_days", "study_time_days",
        ),
        "20 x 1-5 visits, ICC .7: age": (
            subjects(uneven, rng), repeated(0.7), "age_years + study_time_days", "age_years",
        ),
        "8 x 3 visits, ICC .7: time": (
            subjects([3] * 8, rng), repeated(0.7), "age_years + study_time_days", "study_time_days",
        ),
        "8 x 3 visits, ICC .7: age": (
            subjects([3] * 8, rng), repeated(0.7), "age_years + study_time_days", "age_years",
        ),
        "6 subjects, 3 parameters": (subjects([1] * 6, rng), repeated(0.7), "age_years + sex", "age_years"),
    }  # fmt: skip
    print("Within one study")
    for name, (samples, noise, formula, term) in cases.items():
        populations = tables(samples, noise, replicates, rng)
        effects = meta.effects(populations, samples, formula, term=term)
        print(f"  {name:36s} {rate(effects['p_value'])}   {effects['model'].iloc[0].split('; ')[1]}")
        if name.startswith("20 subjects x 3 files"):
            print(f"  {'  ... each file as independent':36s} {rate(naive(populations, samples))}")


def changes(replicates: int, rng: np.random.Generator) -> None:
    """Mean change since the baseline, and counts."""
    print("Change since the baseline, and a model of the counts")
    first = ("study_time_days", "0")
    for name, files, formula, term in (
        ("20 x 2 visits: mean change", [2] * 20, "1", "change"),
        ("20 x 3 visits: mean change", [3] * 20, "1", "change"),
        ("20 x 1-5 visits: change by sex", [1, 2, 3, 4, 5] * 4, "sex", "sex"),
    ):
        samples = subjects(files, rng)
        populations = tables(samples, repeated(0.7), replicates, rng)
        found = meta.effects(populations, samples, formula, term=term, change_from=first)
        print(f"  {name:36s} {rate(found['p_value'])}   {found['model'].iloc[0].split('; ')[1]}")
    for n in (10, 20, 40):
        samples = subjects([1] * n, rng)
        populations = counts(samples, replicates, rng)
        found = meta.effects(populations, samples, "age_years + sex", term="age_years", family="beta-binomial")
        print(f"  {f'{n} subjects, counts, 0.7 %, ICC .005':36s} {rate(found['p_value'])}   beta-binomial")


def adjusted(replicates: int, rng: np.random.Generator) -> None:
    """Fractions that `meta adjust` changed; batches differ by a shift of .7 on the logit scale, and by age."""
    print("Batches: adjusted fractions, taken as measured or with the batch as a factor (what `meta effects` does)")
    for sizes in ([12] * 2, [6] * 4, [3] * 8):
        samples = subjects([1] * sum(sizes), rng)
        code = np.repeat(np.arange(len(sizes)), sizes)
        samples["batch"] = [f"b{i}" for i in code]
        samples["age_years"] = rng.uniform(20, 50, len(samples)) + 5 * code
        found: dict[str, list[pd.Series]] = {}
        for _ in range(max(1, replicates // 40)):  # forty populations share what adjust draws from all
            drawn = tables(samples, lambda r, of: r.normal(0, 0.5, len(of)), 40, rng)
            shift = rng.normal(0, 0.7, (40, len(sizes)))[:, code].ravel()
            share = 1 / (1 + (drawn["n_parent"] / (drawn["n_events"] + 0.5) - 1) * np.exp(-shift))
            drawn["n_events"] = np.round(drawn["n_parent"] * share).astype(int)
            drawn["fraction"] = drawn["n_events"] / drawn["n_parent"]
            result = meta.adjust(drawn, samples, keep="age_years").populations
            for name, table, formula in (
                ("adjusted, taken as measured", result.drop(columns="adjusted_for"), "age_years"),
                ("adjusted", result, "age_years"),
                ("measured, batch as a term", drawn, "age_years + batch"),
            ):
                found.setdefault(name, []).append(meta.effects(table, samples, formula, term="age_years")["p_value"])
        for name, p_values in found.items():
            print(f"  {f'{len(sizes)} batches of {sizes[0]}: {name}':46s} {rate(pd.concat(p_values))}")


def counts(samples: pd.DataFrame, replicates: int, rng: np.random.Generator) -> pd.DataFrame:
    """A rare population whose true share varies between samples as a beta distribution, 2,000 to 50,000 events each."""
    parts = []
    mean, precision = 0.007, 1 / 0.005 - 1
    for replicate in range(replicates):
        part = samples[["study_accession", "panel_id", "sample_id", "file_name"]].copy()
        total = rng.integers(2_000, 50_000, len(samples))
        share = rng.beta(mean * precision, (1 - mean) * precision, len(samples))
        part["method"], part["population"] = "search", f"null {replicate:05d}"
        part["n_events"], part["n_parent"] = rng.binomial(total, share), total
        part["fraction"] = part["n_events"] / total
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def over_studies(replicates: int, rng: np.random.Generator, tau: float = 0.01, designs: int = 100) -> None:
    """Studies whose true effects scatter around 0 by `tau` per year of age, with new subjects for every design."""
    print(f"Over studies: effects differ by tau = {tau} per year; 15 to 40 subjects x 1 to 3 files; ICC .7")
    for k in (2, 3, 5, 10):
        parts = []
        for design in range(designs):
            samples, noise = heterogeneous(k, tau, rng)
            populations = tables(samples, noise, replicates // designs, rng)
            effects = meta.effects(populations, samples, "age_years + sex", term="age_years")
            parts.append(effects.assign(population=f"{design:02d} " + effects["population"]))
        effects = pd.concat(parts, ignore_index=True)
        for test in meta.TESTS:
            pooled = meta.pool_effects(effects, test=test, leave_one_out=False)
            print(f"  k = {k:2d}, REML + {test:20s} {rate(pooled['p_value'])}")


def heterogeneous(k: int, tau: float, rng: np.random.Generator) -> tuple[pd.DataFrame, Noise]:
    """Samples of `k` studies, and noise in which each study has its own true effect of age."""
    sizes = [[int(n) for n in rng.integers(1, 4, int(rng.integers(15, 41)))] for _ in range(k)]
    samples = pd.concat([subjects(files, rng, study=f"SDY{i}") for i, files in enumerate(sizes)], ignore_index=True)
    age, study = samples["age_years"].to_numpy(), samples["study_accession"].factorize()[0]

    def noise(rng: np.random.Generator, samples: pd.DataFrame) -> np.ndarray:
        return repeated(0.7)(rng, samples) + rng.normal(0, tau, k)[study] * (age - 50)

    return samples, noise


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    generator = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    within_study(count, generator)
    changes(count, generator)
    over_studies(count, generator)
    adjusted(count, generator)
