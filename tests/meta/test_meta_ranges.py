"""Reference ranges against simulated truth, and where samples fall in them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import norm

from immport_cyto import meta, tables
from immport_cyto.cli.meta import group
from immport_cyto.exceptions import AnalysisError, LinkError, OptionError, TableError
from support.meta_tables import populations, samples


def truth(age: np.ndarray, sex: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of the logit."""
    return -2 - 0.02 * (age - 50) + 0.0004 * (age - 50) ** 2 + 0.3 * (sex == "Male"), 0.2 * np.exp(0.01 * (age - 50))


def healthy(
    n: int = 400, studies: int = 4, shift: float = 0.2, seed: int = 1, files: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Subjects of several studies, each study shifted; files of a subject differ a little."""
    rng = np.random.default_rng(seed)
    shifts = rng.normal(0, shift, studies)
    shifts -= shifts.mean()
    of = pd.concat(
        [samples(n // studies, study=f"SDY{i + 1}", files=files, seed=seed + i) for i in range(studies)],
        ignore_index=True,
    )
    own = rng.normal(0, 1, n)[pd.factorize(of["subject_accession"])[0]]
    mean, spread = truth(of["age_years"].to_numpy(), of["sex"].to_numpy())
    study = pd.factorize(of["study_accession"])[0]
    noise = rng.normal(0, 0.02, len(of)) if files > 1 else 0
    return of, populations(of, mean + spread * own + shifts[study] + noise)


def expected(age: float, sex: str, percentile: float) -> float:
    mean, spread = truth(np.array([age]), np.array([sex]))
    return float(1 / (1 + np.exp(-(mean[0] + spread[0] * norm.ppf(percentile / 100)))))


def test_percentiles_are_those_of_the_truth() -> None:
    of, counts = healthy(1200)
    ranges, notes = meta.reference(counts, of, ages=[30, 50, 70])
    assert notes == []
    assert len(ranges) == 2 * 3 * 9
    for row in ranges.itertuples():
        true = expected(row.age_years, row.sex, row.percentile)
        assert row.fraction == pytest.approx(true, rel=0.15)
        assert row.low <= row.fraction <= row.high
    covered = [row.low <= expected(row.age_years, row.sex, row.percentile) <= row.high for row in ranges.itertuples()]
    assert np.mean(covered) > 0.6  # the average of four studies is itself only known to about .1
    assert ranges["study_sd"].iloc[0] == pytest.approx(0.2, abs=0.15)
    assert set(ranges["n_subjects"]) == {600}
    assert set(ranges["n_studies"]) == {4}


def test_percentiles_never_cross_and_stay_fractions() -> None:
    ranges, _ = meta.reference(*reversed(healthy(200)))
    assert ((ranges["fraction"] > 0) & (ranges["fraction"] < 1)).all()
    for _, part in ranges.groupby(["sex", "age_years"]):
        assert part.sort_values("percentile")["fraction"].is_monotonic_increasing
        assert part["percentile"].tolist() == [2.5, 5, 10, 25, 50, 75, 90, 95, 97.5]
    seen = ranges["age_years"]
    assert seen.min() >= 20
    assert seen.max() <= 80
    assert {25, 50, 75} <= set(seen)
    assert set(seen % 1) == {0}


def test_new_samples_fall_evenly() -> None:
    of, counts = healthy(1200, shift=0.0)
    ranges, _ = meta.reference(counts, of)
    new_of, new = healthy(400, studies=1, shift=0.0, seed=99)
    keep = new_of["age_years"].between(25, 75)
    places = meta.place(new[keep], new_of, ranges, same_study=True)
    found = places["percentile"].to_numpy()
    for level in (10, 25, 50, 75, 90):
        assert np.mean(found < level) == pytest.approx(level / 100, abs=0.07)
    assert (places["low"] <= places["percentile"]).all()
    assert (places["percentile"] <= places["high"]).all()
    unsure = meta.place(new[keep], new_of, ranges.assign(study_sd=0.3))
    assert ((unsure["high"] - unsure["low"]) >= (places["high"] - places["low"])).all()
    assert (unsure["high"] - unsure["low"]).mean() > 2 * (places["high"] - places["low"]).mean()


def test_a_subject_counts_once() -> None:
    of, counts = healthy(200, files=3)
    ranges, _ = meta.reference(counts, of, ages=[50])
    assert set(ranges["n_subjects"]) == {100}
    wide = (ranges["high"] - ranges["low"]).mean()
    single, _ = meta.reference(counts, of.assign(subject_accession=of["file_name"]), ages=[50])
    assert wide > 1.3 * (single["high"] - single["low"]).mean()


def test_top_coded_ages_are_kept_apart() -> None:
    of, counts = healthy(400)
    of["age_is_topcoded"] = of["age_years"] > 60
    of.loc[of["age_is_topcoded"], "age_years"] = 90.0
    ranges, _ = meta.reference(counts, of)
    years = ranges[ranges["age_group"] == "years"]
    assert years["age_years"].max() <= 60
    old = ranges[ranges["age_group"] == "top-coded"]
    assert set(old["age_years"]) == {90.0}
    female = of[(of["sex"] == "Female") & of["age_is_topcoded"]]
    values = counts.set_index("file_name").loc[female["file_name"], "fraction"]
    middle = old[(old["sex"] == "Female") & (old["percentile"] == 50)]["fraction"].iloc[0]
    assert middle == pytest.approx(values.median(), rel=0.01)
    places = meta.place(counts, of, ranges)
    merged = places.merge(of[["file_name", "age_is_topcoded"]], on="file_name")
    assert merged.loc[merged["age_is_topcoded"], "percentile"].median() == pytest.approx(50, abs=6)


def test_progress_is_shown_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    of, counts = healthy(100)
    meta.reference(counts, of)
    assert capsys.readouterr().err == ""
    meta.reference(counts, of, quiet=False)
    assert capsys.readouterr().err.startswith("reference ranges: 0/1\nreference ranges: 1/1 in ")


TOO_FEW = "subjects below the top-coded ages are too few: a reference needs 40"


def test_what_has_no_reference_is_said() -> None:
    of, counts = healthy(100)
    rare = populations(of.iloc[:30], np.full(30, -4.0) + of["age_years"][:30] / 100, name="rare")
    flat = populations(of, np.full(100, -4.0), name="flat", total=1000)
    of.loc[:2, "age_years"] = np.nan
    of.loc[3, "sex"] = "Unknown"
    of.loc[4, "subject_accession"] = ""
    seldom = rare.assign(population="seldom")
    ranges, notes = meta.reference(pd.concat([counts, rare, flat, seldom]), of)
    assert set(ranges["population"]) == {"B cells"}
    assert notes == [
        "1 sample without a subject left out",
        "4 samples without age or sex left out",
        "flat (search): the fraction is the same in all subjects",
        f"rare (search), seldom (search): 13 female and 12 male {TOO_FEW}",
    ]


def test_places_without_a_percentile_have_a_reason() -> None:
    of, counts = healthy(200)
    ranges, _ = meta.reference(counts, of)
    new_of, new = healthy(40, studies=1, seed=7)
    new_of.loc[0, "age_years"] = 5.0
    new_of.loc[1, "sex"] = "Unknown"
    new.loc[2, "fraction"] = np.nan
    other = populations(new_of.iloc[3:4], [-2.0], name="T cells")
    places = meta.place(pd.concat([new, other]), new_of, ranges).set_index(["file_name", "population"])
    names = new_of["file_name"]
    assert places.loc[(names[0], "B cells"), "note"].startswith("the age is outside the reference (")
    assert places.loc[(names[1], "B cells"), "note"].startswith("the reference has no subjects of sex 'Unknown'")
    assert places.loc[(names[2], "B cells"), "note"] == "the sample has no fraction"
    assert places.loc[(names[3], "T cells"), "note"] == "the population is not in the reference"
    assert places["percentile"].isna().sum() >= 4
    one, _ = meta.reference(counts.assign(study_accession="SDY1"), of.assign(study_accession="SDY1"))
    assert "the reference is of one study" in " ".join(meta.place(new, new_of, one)["note"])


def test_the_order_of_rows_does_not_matter_and_the_seed_is_kept() -> None:
    of, counts = healthy(120)
    first, _ = meta.reference(counts, of, ages=[40])
    again, _ = meta.reference(counts.sample(frac=1, random_state=1), of.sample(frac=1, random_state=2), ages=[40])
    pd.testing.assert_frame_equal(first, again)
    other, _ = meta.reference(counts, of, ages=[40], seed=1)
    assert other["fraction"].tolist() == first["fraction"].tolist()
    assert other["low"].tolist() != first["low"].tolist()


def test_bad_input_is_one_sentence() -> None:
    of, counts = healthy(100)
    with pytest.raises(AnalysisError, match=r"no population has a reference \(B cells .* 52 female and 48 male"):
        meta.reference(counts, of, min_subjects=500)
    with pytest.raises(OptionError, match="is not a number from 0 to 120"):
        meta.reference(counts, of, ages=[-1])
    with pytest.raises(LinkError, match="of populations.tsv has no row in samples.tsv"):
        meta.reference(counts, of.iloc[1:])
    with pytest.raises(LinkError, match="of populations.tsv has no row in samples.tsv"):
        meta.place(counts, of.iloc[1:], meta.reference(counts, of, ages=[40])[0])


def test_ages_outside_and_a_sex_of_few_are_said() -> None:
    of, counts = healthy(200)
    ranges, notes = meta.reference(counts, of, ages=[5, 50, 85])
    assert set(ranges["age_years"]) == {50}
    assert [note.split(" (")[1] for note in notes] == [f"search): age 5, 85 is outside the ages of {sex} subjects"
                                                       for sex in ("female", "male")]  # fmt: skip
    with pytest.raises(AnalysisError, match="no population has a reference .*age 5 is outside the ages of male"):
        meta.reference(counts, of, ages=[5])
    men = of[of["sex"] == "Male"]["file_name"][10:]
    fewer = counts[~counts["file_name"].isin(men)]
    women, notes = meta.reference(fewer, of, ages=[50])
    assert set(women["sex"]) == {"Female"}
    assert notes == ["B cells (search): 10 male subjects below the top-coded ages are too few and left out"]
    with pytest.raises(AnalysisError, match="100 female and 10 male subjects .* needs 105"):
        meta.reference(fewer, of, min_subjects=105)  # without the men there are 100


def test_a_reference_for_one_age_does_not_serve_others() -> None:
    of, counts = healthy(200)
    places = meta.place(counts, of, meta.reference(counts, of, ages=[50])[0])
    assert places.loc[of["age_years"].to_numpy() != 50, "percentile"].isna().all()
    assert "the age is outside the reference (50 to 50 years)" in set(places["note"])


def test_no_events_is_placed_as_no_events_were_in_the_reference() -> None:
    of, counts = healthy(200)
    rare = np.random.default_rng(1).poisson(1, 200)
    counts = counts.assign(n_events=rare, n_parent=1000, fraction=rare / 1000)
    places = meta.place(counts, of, meta.reference(counts, of)[0], same_study=True)
    assert places.loc[rare == 0, "percentile"].mean() > 10  # a third of all have none: not below all percentiles


def test_zeros_without_counts_are_moved_by_their_own_population() -> None:
    of, counts = healthy(200)
    zero = counts.assign(n_events=pd.NA, n_parent=pd.NA)
    zero.loc[zero.index[:5], "fraction"] = 0.0
    alone, _ = meta.reference(zero, of, ages=[50])
    rare = populations(of, np.linspace(-12, -11, 200), name="rare")
    both, _ = meta.reference(pd.concat([zero, rare], ignore_index=True), of, ages=[50])
    assert both[both["population"] == "B cells"]["fraction"].tolist() == alone["fraction"].tolist()


def test_a_reference_with_gaps_and_keys_that_appear_twice_are_refused() -> None:
    of, counts = healthy(100)
    ranges, _ = meta.reference(counts, of, ages=[40, 50])
    for damaged in (ranges.drop(index=3), pd.concat([ranges, ranges.iloc[:1]]), ranges.assign(fraction=np.nan)):
        with pytest.raises(TableError, match="population 'B cells' does not have each percentile once at each age"):
            meta.place(counts, of, damaged)
    with pytest.raises(TableError, match="reference.tsv: there are no rows; make a reference first"):
        meta.place(counts, of, ranges.iloc[:0])
    with pytest.raises(TableError, match="a fraction is from 0 to 1, not in percent"):
        meta.place(counts.assign(fraction=20.0), of, ranges)
    twice = pd.concat([of, of.iloc[:1]])
    for call in (lambda: meta.reference(counts, twice), lambda: meta.place(counts, twice, ranges)):
        with pytest.raises(TableError, match="has two rows; keep one row per file"):
            call()


def test_the_commands(tmp_path: Path) -> None:
    of, counts = healthy(160)
    of["arm_name"] = np.where(np.arange(len(of)) % 8 == 7, "Sick", "Healthy")
    tables.write(counts, tmp_path / "p.tsv", tables.POPULATIONS)
    tables.write(of, tmp_path / "s.tsv", tables.SAMPLES)
    given = ["--populations", str(tmp_path / "p.tsv"), "--samples", str(tmp_path / "s.tsv")]

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(group, [*arguments, *given], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    out, figure = tmp_path / "reference.tsv", tmp_path / "f.svg"
    said = run("reference", "--only", "arm_name=Healthy", "--out", str(out), "--figure", str(figure), "--seed", "3")
    assert "reference ranges of 1 population\n" in said
    kept = of[of["arm_name"] == "Healthy"]
    expected, _ = meta.reference(counts[counts["file_name"].isin(kept["file_name"])], kept, seed=3)
    pd.testing.assert_frame_equal(tables.read(out, tables.REFERENCE), expected)
    assert "B cells   median, 50, 80 and 95 % ranges" in figure.read_text(encoding="utf-8")
    assert "% of all events" in figure.read_text(encoding="utf-8")
    said = run("place", "--reference", str(out), "--out", str(tmp_path / "places.tsv"), "--figure", str(figure))
    places = tables.read(tmp_path / "places.tsv", tables.PLACES)
    assert len(places) == 160
    assert f"{int(places['percentile'].notna().sum())} of 160 fractions placed" in said
    with pytest.raises(OptionError, match="--only arm=Healthy: give a column of samples.tsv and its value"):
        run("reference", "--only", "arm=Healthy", "--out", str(out))
    with pytest.raises(OptionError, match="no sample has this value"):
        run("reference", "--only", "arm_name=None", "--out", str(out))
    with pytest.raises(OptionError, match="population 'T cells' has no reference; use one of: B cells"):
        run("reference", "--population", "T cells", "--out", str(tmp_path / "x.tsv"))
    assert not (tmp_path / "x.tsv").exists()
