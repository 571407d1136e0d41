"""What comes out: the joined tables, effects, pooled effects, models, labelled files, the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto import provenance, tables
from immport_cyto.exceptions import TableError
from immport_cyto.files import safe_name
from immport_cyto.study.config import StudyConfig
from immport_cyto.study.repeating import commands
from immport_cyto.study.state import RunResult, RunState
from immport_cyto.study.steps import publish, withdraw

if TYPE_CHECKING:
    import pandas as pd


def finish(
    state: RunState,
    samples: "pd.DataFrame",
    panels: Any,
    qc: "pd.DataFrame",
    groups: Mapping[tuple[str, str], Mapping[str, Path]],
    results: Mapping[tuple[str, str], Path],
) -> RunResult:
    """Join the tables, estimate and pool effects, write everything."""
    import pandas as pd

    from immport_cyto import population, report
    from immport_cyto.immport.templates.sharing import check_tables, summarize

    config, out = state.config, state.out

    def joined(table: tables.Table) -> "pd.DataFrame":
        parts = [tables.read(place / table.name, table) for place in results.values() if (place / table.name).is_file()]
        return tables.concat(parts, table)

    of_groups = (tables.CUTOFFS, tables.DENSITIES, tables.CLUSTERS, tables.CLUSTER_MEDIANS)
    found = {table.name: joined(table) for table in (*of_groups, tables.COUNTS, tables.MEDIANS)}
    found["samples.tsv"], found["panel.tsv"], found["panels.tsv"], found["qc.tsv"] = (
        samples, panels.panel, panels.panels, qc,
    )  # fmt: skip
    curves = [path.parent / tables.CHANNEL_DENSITIES.name for files in groups.values() for path in files.values()]
    if any(path.is_file() for path in curves):  # MetaCyto's preprocessing keeps none
        found["channel_densities.tsv"] = tables.concat(
            [tables.read(path, tables.CHANNEL_DENSITIES) for path in curves if path.is_file()], tables.CHANNEL_DENSITIES
        )
    found["populations.tsv"] = population.summary(found["counts.tsv"], samples)
    state.say("effects per study")
    found["effects.tsv"], found["meta.tsv"] = _effects(config, found["populations.tsv"], samples, out)
    found["failures.tsv"] = tables.concat([pd.DataFrame(state.failures)] if state.failures else [], tables.FAILURES)
    for table in tables.ALL:
        if table.name in found:
            tables.write(found[table.name], out / table.name, table)
    _publish(out, groups, results)
    for text in summarize(check_tables({"samples.tsv": samples})):
        state.warn(text)
    counts = {
        "files": len(samples),
        "files_used": len(qc),
        "files_failed": len({row["file_name"] for row in state.failures}),
        "studies": int(samples["study_accession"].nunique()),
        "panels": int(panels.panels["panel_id"].nunique()),
        "events_in": int(qc["n_events_in"].sum()),
        "events_used": int(qc["n_events_out"].sum()),
        "populations": int(found["populations.tsv"]["population"].nunique()),
    }
    entry = provenance.record(
        "study run", inputs=config.inputs(), parameters=config.parameters(), counts=counts, warnings=state.warnings,
        extra={
            "files": [{"name": name, "sha256": digest} for name, digest in sorted(state.checksums.items())],
            "repeat": commands(config),
        },
    )  # fmt: skip
    provenance.write(out / "provenance.json", entry)
    state.say("report")
    report.build(
        out / "report.html",
        title=config.title,
        **{
            name.removesuffix(".tsv"): frame
            for name, frame in found.items()
            if name not in ("counts.tsv", "medians.tsv")
        },
        provenance=entry,
        truth=_truth(config),
        warnings=state.warnings,
        quiet=state.quiet,
    )
    state.say("finished")
    return RunResult(out / "report.html", counts, state.warnings, found["failures.tsv"])


def _effects(
    config: StudyConfig, populations: "pd.DataFrame", samples: "pd.DataFrame", out: Path
) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Effects per study and pooled; MetaCyto's model over all studies is written to regression.tsv."""
    from immport_cyto import meta, metacyto

    model = config.model
    if config.method == "metacyto":
        effects = metacyto.effects(populations, samples, model.formula, term=model.term)
        over_all = metacyto.regression(populations, samples, model.formula, term=model.term)
        tables.write(over_all, out / "regression.tsv", tables.META)
        return effects, metacyto.pool(effects)
    effects = meta.effects(
        populations,
        samples,
        model.formula,
        term=model.term,
        scale=model.scale,
        baseline=model.baseline,
        min_samples=model.min_samples,
    )
    return effects, meta.pool_effects(effects, method=config.pool.method, test=config.pool.test)


def _publish(
    out: Path, groups: Mapping[tuple[str, str], Mapping[str, Path]], results: Mapping[tuple[str, str], Path]
) -> None:
    """Show the models, and the files with their clusters or, where there are none, as preprocessed."""
    models: set[str] = set()
    files: set[str] = set()
    for (study, panel_id), place in results.items():
        clustered = (place / "model.npz").is_file()
        if clustered:
            models.add(name := f"{safe_name(study)}-{safe_name(panel_id)}.npz")
            publish(place / "model.npz", out / "models" / name)
        for number, (name, path) in enumerate(sorted(groups[study, panel_id].items()), start=1):
            shown = safe_name(name[:-3] if name.lower().endswith(".gz") else name)  # ours are not compressed
            files.add(shown)
            publish(place / f"{number:06d}.fcs" if clustered else path, out / "fcs" / shown)
    withdraw(out / "models", models)
    withdraw(out / "fcs", files)


def _truth(config: StudyConfig) -> "pd.DataFrame | None":
    """True effects of simulated studies, their mean over the studies, for comparison in the report."""
    if config.truth is None:
        return None
    import pandas as pd

    try:
        truth = pd.read_csv(config.truth, sep="\t", dtype={"study_accession": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        msg = f"{config.truth}: cannot be read as a table of true effects; correct truth in study.yaml"
        raise TableError(msg) from error
    missing = [name for name in ("population", "term", "study_accession", "effect") if name not in truth.columns]
    if missing:
        msg = f"{config.truth}: column {missing[0]!r} is missing from the table of true effects; add it"
        raise TableError(msg)
    return truth[truth["study_accession"] == ""].drop(columns="study_accession")
