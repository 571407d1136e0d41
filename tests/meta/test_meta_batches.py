"""``meta adjust``: shifts between batches leave, effects that are kept stay."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from immport_cyto import meta, tables
from immport_cyto.cli.meta import group
from immport_cyto.exceptions import AnalysisError, FormulaError, LinkError, OptionError, TableError
from immport_cyto.meta.batches import combat
from support.meta_tables import populations, samples

SHIFT = np.array([0.8, -0.5, 0.1])


def shifted(
    n: int = 36, n_populations: int = 10, study: str = "SDY1", seed: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Samples of three batches and populations shifted in each, with a true effect of age of 0.02 in the first."""
    rng = np.random.default_rng(seed)
    batch = np.arange(n) % 3
    of = samples(n, study=study, seed=seed, batch=[f"batch-{b + 1:02d}" for b in batch])
    truth = rng.normal(-2, 0.5, (n_populations, 1)) + rng.normal(0, 0.3, (n_populations, n))
    truth[0] += 0.02 * (of["age_years"].to_numpy() - 50)
    move = (SHIFT + rng.normal(0, 0.1, (n_populations, 3)))[:, batch]
    counts = pd.concat(
        [populations(of, truth[i] + move[i], name=f"P{i:02d}") for i in range(n_populations)], ignore_index=True
    )
    return of, counts, truth


def logits(frame: pd.DataFrame, column: str = "fraction") -> np.ndarray:
    names = sorted(set(frame["population"]))
    parts = [frame[frame["population"] == name].sort_values("file_name")[column] for name in names]
    wide = np.array([part.to_numpy(dtype=float) for part in parts])
    return np.log(wide / (1 - wide))


def test_true_values_come_back() -> None:
    of, counts, truth = shifted()
    result = meta.adjust(counts, of, keep="age_years")
    error_before = np.std(logits(counts) - logits(counts).mean() - (truth - truth.mean()))
    adjusted = logits(result.populations)
    error_after = np.std(adjusted - adjusted.mean() - (truth - truth.mean()))
    assert error_after < 0.25 * error_before
    explained = result.explained.iloc[0]
    assert explained["r2_before"] > 0.6
    assert explained["r2_after"] < 0.02
    assert (explained["n_samples"], explained["n_populations"], explained["n_batches"]) == (36, 10, 3)


def test_effects_of_adjusted_fractions_have_the_batch_as_a_factor() -> None:
    """As if the shifts were known, 24 samples in 8 batches would reject a true null in every third case."""
    of, counts, _ = shifted(24, 40)
    of["batch"] = [f"b{i // 3}" for i in range(24)]
    result = meta.adjust(counts, of).populations
    assert result["adjusted_for"].unique().tolist() == ["batch"]
    found = meta.effects(result, of, "age_years")
    assert set(found["model"]) == {"logit ~ age_years + batch; least squares"}
    assert found["df"].tolist() == [15] * 40
    assert found["note"].str.startswith("fractions adjusted for batch (smallest batch: 3): the errors cover that").all()
    as_measured = meta.effects(result.drop(columns="adjusted_for"), of, "age_years")
    assert as_measured["df"].tolist() == [22] * 40
    assert (found["se"] > as_measured["se"]).mean() > 0.9
    named = meta.effects(result, of, "age_years + batch", term="age_years")
    assert named["se"].tolist() == pytest.approx(found["se"].tolist())


def test_adjusted_fractions_need_the_samples_that_named_the_batches() -> None:
    of, counts, _ = shifted()
    result = meta.adjust(counts, of.rename(columns={"batch": "plate"}), batch="plate").populations
    with pytest.raises(
        TableError, match="was adjusted for 'plate', which samples.tsv has not; give the samples of then"
    ):
        meta.effects(result, of, "age_years")
    both = pd.concat([of, of.assign(study_accession="SDY2", file_name="x" + of["file_name"])], ignore_index=True)
    two = pd.concat([counts, counts.assign(study_accession="SDY2", file_name="x" + counts["file_name"])])
    over = meta.adjust(two, both, batch="study_accession").populations
    assert set(meta.effects(over, both, "age_years")["model"]) == {"logit ~ age_years; least squares"}


def test_fractions_stay_fractions_and_the_reported_ones_are_kept() -> None:
    of, counts, _ = shifted()
    counts.loc[counts.index[:3], ["n_events", "fraction"]] = 0
    result = meta.adjust(counts, of)
    assert ((result.populations["fraction"] > 0) & (result.populations["fraction"] < 1)).all()
    assert result.populations["n_events"].isna().all()
    merged = result.populations.merge(counts, on=["population", "file_name"])
    assert merged["fraction_reported"].tolist() == merged["fraction_y"].tolist()


def test_an_effect_that_is_confounded_with_the_batch_stays_where_it_is_kept() -> None:
    of, counts, _ = shifted(60)
    of["age_years"] = np.where(of["batch"] == "batch-01", of["age_years"] + 15, of["age_years"])
    clean = np.random.default_rng(1).normal(-2, 0.2, 60) + 0.02 * of["age_years"].to_numpy()
    counts = pd.concat([populations(of, clean + 0.05 * i, name=f"P{i}") for i in range(4)], ignore_index=True)

    def slope(frame: pd.DataFrame) -> float:
        return float(np.polyfit(of["age_years"], logits(frame)[0], 1)[0])

    kept, lost = (slope(meta.adjust(counts, of, keep=keep).populations) for keep in ("age_years", ""))
    assert kept == pytest.approx(0.02, abs=0.004)
    assert lost < kept - 0.001


def test_agrees_with_neurocombat() -> None:
    """Values of neuroCombat 0.2.12 (MIT) for this input; it stops at a relative change of 1e-4."""
    y = np.array([[1.0, 1.3, 0.9, 2.0, 2.4, 1.8, 2.2], [0.2, 0.1, 0.5, 1.4, 1.0, 1.3, 1.1],
                  [3.0, 2.7, 3.3, 3.1, 3.9, 3.2, 3.4]])  # fmt: skip
    age = np.array([30.0, 40, 50, 35, 45, 60, 20])
    adjusted, _, _ = combat(y, np.array([0, 0, 0, 1, 1, 1, 1]), age[:, None])
    expected = np.array(NEUROCOMBAT)
    assert adjusted == pytest.approx(expected, abs=1e-5)


NEUROCOMBAT = [
    [1.5832856, 1.8530935, 1.4805408, 1.6013391, 1.9116284, 1.407747, 1.7821154],
    [0.7132537, 0.6255536, 0.9961926, 0.9791234, 0.6651159, 0.9212048, 0.7230345],
    [3.2935904, 3.0205101, 3.5736933, 2.9147339, 3.5661703, 3.0092316, 3.1487057],
]


def test_without_shifts_little_changes() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(0, 1, (30, 60))
    adjusted, before, after = combat(y, np.arange(60) % 2, np.empty((60, 0)))
    assert np.abs(adjusted - y).mean() < 0.1
    assert after < before < 0.05


def test_studies_are_adjusted_apart_unless_they_are_the_batches() -> None:
    one, two = shifted(study="SDY1"), shifted(study="SDY2", seed=5)
    of = pd.concat([one[0], two[0]], ignore_index=True)
    counts = pd.concat([one[1], two[1]], ignore_index=True)
    both = meta.adjust(counts, of)
    assert both.explained["study_accession"].tolist() == ["SDY1", "SDY2"]
    alone = meta.adjust(two[1], two[0]).populations
    part = both.populations[both.populations["study_accession"] == "SDY2"].reset_index(drop=True)
    assert part["fraction"].tolist() == alone["fraction"].tolist()
    over = meta.adjust(counts, of, batch="study_accession")
    assert over.explained["study_accession"].tolist() == [""]
    assert over.explained["n_batches"].tolist() == [2]


def test_samples_without_a_batch_or_a_term_are_as_they_were_and_counted() -> None:
    of, counts, _ = shifted()
    of.loc[0, "batch"] = ""
    of.loc[1, "age_years"] = np.nan
    result = meta.adjust(counts, of, keep="age_years")
    names = of["file_name"][:2].tolist()
    rows = result.populations[result.populations["file_name"].isin(names)]
    assert rows["fraction"].tolist() == rows["fraction_reported"].tolist()
    assert result.notes == ["search SDY1: 2 samples without a batch or a term to keep, not adjusted"]


def test_a_population_missing_from_a_panel_and_a_batch_of_one_sample() -> None:
    of, counts, _ = shifted()
    of.loc[0, "batch"] = "batch-04"
    part = counts[~((counts["population"] == "P03") & counts["file_name"].isin(of["file_name"][:20]))]
    result = meta.adjust(part, of)
    assert len(result.populations) == len(part)
    assert result.populations["fraction"].notna().all()
    assert result.explained["n_batches"].tolist() == [4]


def test_the_order_of_rows_does_not_matter() -> None:
    of, counts, _ = shifted()
    first = meta.adjust(counts, of, keep="sex").populations
    mixed = meta.adjust(counts.sample(frac=1, random_state=1), of.sample(frac=1, random_state=2), keep="sex")
    pd.testing.assert_frame_equal(first, mixed.populations)


def test_what_cannot_be_adjusted_is_one_sentence() -> None:
    of, counts, _ = shifted()
    with pytest.raises(OptionError, match="'plate' is not a column of samples.tsv"):
        meta.adjust(counts, of, batch="plate")
    with pytest.raises(
        OptionError, match="has no two batches in any study that can be compared .search SDY1: one batch"
    ):
        meta.adjust(counts, of.assign(batch="batch-01"))
    with pytest.raises(FormulaError, match="unknown term 'height'"):
        meta.adjust(counts, of, keep="height")
    with pytest.raises(LinkError, match="of populations.tsv has no row in samples.tsv"):
        meta.adjust(counts, of.iloc[1:])
    with pytest.raises(AnalysisError, match="search SDY1: the batches cannot be told from the terms to keep"):
        meta.adjust(counts, of.assign(group=of["batch"]), keep="group")


def test_what_is_not_adjusted_is_named_and_keeps_its_counts() -> None:
    (of, counts, _), (single, more, _) = shifted(), shifted(study="SDY2")
    flat = populations(of, np.full(36, -2.0), name="flat")
    single["batch"] = "batch-01"
    result = meta.adjust(pd.concat([counts, flat, more]), pd.concat([of, single]))
    assert result.notes == [
        "search SDY1: not adjusted, as it is constant, in one batch, or in too few samples: flat",
        "search SDY2: one batch, not adjusted",
    ]
    frame = result.populations
    same = (frame["population"] == "flat") | (frame["study_accession"] == "SDY2")
    assert frame.loc[same, "n_events"].notna().all()
    assert (frame.loc[same, "fraction"] == frame.loc[same, "fraction_reported"]).all()
    assert frame.loc[~same, "n_events"].isna().all()
    assert result.explained["n_populations"].tolist() == [10]
    with pytest.raises(OptionError, match="that can be compared .search SDY1: not adjusted, as it is constant"):
        meta.adjust(flat, of)


def test_a_batch_without_any_complete_sample_does_not_spoil_the_others() -> None:
    of, counts, _ = shifted()
    gone = of["batch"] == "batch-02"
    of.loc[gone, "age_years"] = np.nan
    result = meta.adjust(counts, of, keep="age_years")
    assert result.explained["n_batches"].tolist() == [2]
    alone = meta.adjust(counts[counts["file_name"].isin(of["file_name"][~gone])], of[~gone], keep="age_years")
    part = result.populations[result.populations["file_name"].isin(of["file_name"][~gone])]
    assert part["fraction"].tolist() == alone.populations["fraction"].tolist()


def test_batches_may_be_numbers_with_gaps_and_files_have_one_row() -> None:
    of, counts, _ = shifted()
    of["plate"] = pd.array([i % 3 if i else None for i in range(36)], dtype="Int64")
    result = meta.adjust(counts, of, batch="plate")
    assert result.explained["n_batches"].tolist() == [3]
    assert result.notes == ["search SDY1: 1 sample without a batch, not adjusted"]
    with pytest.raises(TableError, match="has two rows; keep one row per file"):
        meta.adjust(counts, pd.concat([of, of.iloc[:1]]))


def test_the_command_writes_tables_and_figure(tmp_path: Path) -> None:
    of, counts, _ = shifted(12)
    of["batch"] = of["batch"].str.replace("batch-01", "<i>one</i>")
    tables.write(counts, tmp_path / "p.tsv", tables.POPULATIONS)
    tables.write(of, tmp_path / "s.tsv", tables.SAMPLES)
    result = CliRunner().invoke(
        group,
        ["adjust", "--populations", str(tmp_path / "p.tsv"), "--samples", str(tmp_path / "s.tsv"), "--out",
         str(tmp_path / "a.tsv"), "--explained", str(tmp_path / "b.tsv"), "--figure", str(tmp_path / "f.svg")],
        catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    expected = meta.adjust(counts, of)
    written = tables.read(tmp_path / "a.tsv", tables.POPULATIONS)
    written["fraction_reported"] = written["fraction_reported"].astype(float)
    pd.testing.assert_frame_equal(written, expected.populations)
    pd.testing.assert_frame_equal(tables.read(tmp_path / "b.tsv", tables.BATCHES), expected.explained)
    before, after = (round(100 * expected.explained[c][0]) for c in ("r2_before", "r2_after"))
    assert f"3 batches held {before} % of the variance of 10 populations, {after} % after adjustment" in result.output
    figure = (tmp_path / "f.svg").read_text(encoding="utf-8")
    assert "&lt;i&gt;one&lt;/i&gt;" in figure
    assert all(f">P{i:02d}<" in figure for i in range(10))
    report = meta.effects(expected.populations, of, "age_years")
    assert report["estimate"].notna().all()
