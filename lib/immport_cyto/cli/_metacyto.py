"""``--method metacyto`` of several commands, and the commands that only MetaCyto has."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from immport_cyto.cli._common import collect_fcs, files_option, json_option, quiet_option
from immport_cyto.exceptions import OptionError, TableError

if TYPE_CHECKING:
    import pandas as pd

_FILE = click.Path(path_type=Path, dir_okay=False)

method_option = click.option(
    "--method", type=click.Choice(["standard", "metacyto"]), default="standard", show_default=True,
    help="metacyto repeats the R package MetaCyto digit by digit, weaknesses included: docs/methods-metacyto.md.",
)  # fmt: skip
sample_size_option = click.option(
    "--sample-size", type=click.IntRange(min=0), default=2000, show_default=True,
    help="With --method metacyto: random events of a panel that a cut-off is found on; 0 for all.",
)  # fmt: skip
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=42, show_default=True,
    help="With --method metacyto: seed of the random choices, as of R's set.seed; each panel starts anew.",
)  # fmt: skip
pre_gate_option = click.option(
    "--pre-gate", default="", metavar="GATES",
    help="With --method metacyto: search only among events with these signs, such as DEAD-.",
)  # fmt: skip
rename_option = click.option(
    "--rename", multiple=True, metavar="OLD=NEW",
    help="With --method metacyto: another name for a marker, so that panels agree, such as CD8B=CD8; may be repeated.",
)  # fmt: skip
regression_option = click.option(
    "--regression", "regression_path", type=_FILE,
    help="With --method metacyto: write the effects of one model over the files of all studies (MetaCyto's "
    "glmAnalysis), in the form of meta.tsv.",
)  # fmt: skip


def check_options(method: str, *, only_standard: Iterable[str] = (), only_metacyto: Iterable[str] = ()) -> None:
    """Refuse options that were given and have no meaning with the method; names as on the command line."""
    context = click.get_current_context()
    wrong = only_standard if method == "metacyto" else only_metacyto
    by_flag = {flag: parameter.name for parameter in context.command.params for flag in parameter.opts}
    for flag in wrong:
        if context.get_parameter_source(str(by_flag[flag])) == ParameterSource.COMMANDLINE:
            msg = f"{flag} has no meaning with --method {method}; leave one of them out"
            raise OptionError(msg)


def scale(chosen: str) -> str:
    """Scale of the outcome: MetaCyto's z-score where none was asked for; the fraction as it is (its ``ifScale``)."""
    given = click.get_current_context().get_parameter_source("scale") == ParameterSource.COMMANDLINE
    if given and chosen not in ("zscore", "fraction"):
        msg = f"--scale {chosen} has no meaning with --method metacyto; use zscore or fraction"
        raise OptionError(msg)
    return chosen if given else "zscore"


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """``OLD=NEW`` texts as a dictionary."""
    found = {}
    for text in given:
        old, equals, new = text.partition("=")
        if not equals or not old.strip() or not new.strip():
            msg = f"{text!r} is not of the form OLD=NEW"
            raise click.BadParameter(msg, param_hint=option)
        found[old.strip()] = new.strip()
    return found


def groups(files: Mapping[str, Path], samples: Path | None) -> Any:
    """Files by study and panel; a warning where they were not preprocessed as MetaCyto does."""
    from immport_cyto import fcs, population, tables

    foreign = [name for name, path in files.items() if fcs.open(path).keywords.get("ICYTO_METHOD") != "metacyto"]
    if foreign:
        click.echo(
            f"immport-cyto: warning: {len(foreign)} of {len(files)} files were not preprocessed with --method metacyto "
            f"({foreign[0]}, ...): the results are not those of MetaCyto",
            err=True,
        )
    return population.groups(files, tables.read(samples, tables.SAMPLES) if samples else None)


def cutoffs(
    files: Mapping[str, Path], samples: Path | None, markers: str | None, *, seed: int, sample_size: int, quiet: bool
) -> "pd.DataFrame":
    """Cut-offs of each group; the random numbers start anew in each."""
    from immport_cyto import metacyto, tables
    from immport_cyto.progress import progress

    parts = groups(files, samples)
    wanted = [marker.strip() for marker in markers.split(",") if marker.strip()] if markers else None
    found = []
    with progress("cut-offs", len(parts), quiet=quiet) as shown:
        for part in parts:
            found.append(
                metacyto.cutoffs(
                    metacyto.stack(part.files),
                    study_accession=part.study_accession,
                    panel_id=part.panel_id,
                    markers=wanted,
                    seed=seed,
                    sample_size=sample_size,
                )
            )
            if shown:
                shown.step(str(part))
    return tables.concat(found, tables.CUTOFFS)


def given_cutoffs(path: Path | None, study: str, panel_id: str) -> dict[str, float] | None:
    """Cut-offs of a group from cutoffs.tsv, by marker in capitals; rows with an empty study or panel fit all."""
    if path is None:
        return None
    from immport_cyto import tables

    rows = tables.read(path, tables.CUTOFFS)
    rows = rows[
        rows["study_accession"].isin([study, ""]) & rows["panel_id"].isin([panel_id, ""]) & rows["cutoff"].notna()
    ]
    return {str(marker).upper(): float(cut) for marker, cut in zip(rows["marker"], rows["cutoff"], strict=True)}


def search(
    files: Mapping[str, Path], samples: Path | None, definitions: "pd.DataFrame", cutoffs_path: Path | None, *,
    pre_gate: str, seed: int, sample_size: int, quiet: bool,
) -> tuple["pd.DataFrame", "pd.DataFrame", "pd.DataFrame", list[str]]:  # fmt: skip
    """Counts, medians, cut-offs and notes of all groups."""
    import pandas as pd

    from immport_cyto import metacyto, tables
    from immport_cyto.progress import progress

    wanted = metacyto.whole_labels(definitions)
    if not wanted:
        msg = "there is no population to search for; give --definitions of cluster metacyto, or --population"
        raise OptionError(msg)
    parts = groups(files, samples)
    counts, medians, cuts, notes = [], [], [], []
    with progress("search", len(parts), quiet=quiet) as shown:
        for part in parts:
            given = given_cutoffs(cutoffs_path, part.study_accession, part.panel_id)
            found, middles, used, said = metacyto.search(
                metacyto.stack(part.files), wanted, panel_id=part.panel_id, cutoffs=given, pre_gate=pre_gate,
                seed=seed, sample_size=sample_size,
            )  # fmt: skip
            counts.append(found)
            medians.append(middles)
            notes += [f"{part}: {note}" for note in said]
            cuts.append(
                pd.DataFrame(
                    {
                        "study_accession": part.study_accession,
                        "panel_id": part.panel_id,
                        "marker": list(used),
                        "cutoff": list(used.values()),
                        "method": "metacyto",
                        "evidence": None,
                        "positive_fraction": None,
                        "n_events": None,
                    }
                )
            )
            if shown:
                shown.step(str(part))
    return (
        tables.concat(counts, tables.COUNTS), tables.concat(medians, tables.MEDIANS),
        tables.concat(cuts, tables.CUTOFFS), notes,
    )  # fmt: skip


def effects(
    populations: "pd.DataFrame", samples: "pd.DataFrame", formula: str, term: str | None, medians: Sequence[Path],
    markers: Sequence[str], regression_path: Path | None, *, z_scored: bool = True,
) -> "pd.DataFrame":  # fmt: skip
    """Effects per panel of a study; the model over all studies is written where asked for."""
    from immport_cyto import metacyto, tables

    if bool(medians) != (len(markers) == 1):
        msg = "MetaCyto's models are of the fraction, or of one --marker of --medians; give both or none"
        raise OptionError(msg)
    if not len(populations):
        msg = "populations.tsv: there are no rows; count populations first"
        raise TableError(msg)
    options: dict[str, Any] = {"term": term, "scaled": (z_scored, False)}
    if medians:
        middles = tables.concat((tables.read(path, tables.MEDIANS) for path in medians), tables.MEDIANS)
        options |= {"parameter": markers[0], "medians": middles}
    result = metacyto.effects(populations, samples, formula, **options)
    if regression_path:
        tables.write(metacyto.regression(populations, samples, formula, **options), regression_path, tables.META)
    return result


def pool(effects: "pd.DataFrame") -> "pd.DataFrame":
    """Pooled effects of MetaCyto."""
    from immport_cyto import metacyto

    return metacyto.pool(effects)


@click.command("metacyto")
@click.argument("paths", metavar="[FCS]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option(
    "--samples", type=_FILE, help="samples.tsv: files are taken together by study; without it all are one study."
)
@click.option(
    "--definitions", type=_FILE, required=True,
    help="Labels of all panels to write (definitions.tsv), for population search --method metacyto.",
)  # fmt: skip
@click.option("--clusters", type=_FILE, help="Table of the clusters with their labels to write (clusters.tsv).")
@click.option("--members", type=_FILE, help="Table of the events of each cluster to write (members.tsv).")
@click.option("--cutoffs-out", type=_FILE, help="Write the cut-offs that were used.")
@click.option(
    "--cutoffs", "cutoffs_path", type=_FILE,
    help="Cut-offs to label with (cutoffs.tsv); those of other markers are found on 2,000 random events.",
)  # fmt: skip
@click.option(
    "--clustering", type=click.Choice(["flowsom", "flowhc"]), default="flowsom", show_default=True,
    help="MetaCyto's flowSOM.MC (its default: a 10 x 10 map and consensus clusters) or flowHC (one tree of all events, "
    "up to 30,000 of a panel).",
)  # fmt: skip
@click.option("--n-clusters", type=click.IntRange(2, 100), default=40, show_default=True, help="Clusters of flowsom.")
@click.option(
    "--channel",
    help="Label the clusters that this channel numbers, such as FlowSOM_metacluster, instead.",
)
@click.option(
    "--exclude", help="Channels that are neither clustered nor labelled, joined by commas.  "
    "[default: FSC-A, FSC-W, FSC-H, SSC-A, SSC-W, SSC-H, Time, Cell_length, Dead, DNA1, DNA2]",
)  # fmt: skip
@click.option(
    "--min-fraction", type=click.FloatRange(0, 0.5), default=0.05, show_default=True,
    help="A cluster of flowhc, and each side of a cut-off, must hold more than this share of the events.",
)  # fmt: skip
@click.option(
    "--quantile", type=click.FloatRange(0.5, 1), default=0.95, show_default=True,
    help="Share of a cluster that must lie on one side of a cut-off for a sign.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), default=42, show_default=True,
    help="Seed of the random choices, as of R's set.seed; each panel starts anew.",
)  # fmt: skip
@json_option
@quiet_option
def cluster_command(
    paths: tuple[Path, ...], files_json: Path | None, samples: Path | None, definitions: Path, clusters: Path | None,
    members: Path | None, cutoffs_out: Path | None, cutoffs_path: Path | None, clustering: str, n_clusters: int,
    channel: str | None, exclude: str | None, min_fraction: float, quantile: float, seed: int,
    json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Cluster the files of each panel as MetaCyto does (autoCluster), and label the clusters.

    A label holds the markers that a cluster is positive and negative for. All labels together are what to search for
    in every panel. Files must come from events preprocess --method metacyto.

    \b
    Example:
      immport-cyto cluster metacyto preprocessed/ --samples samples.tsv --definitions definitions.tsv
    """
    from immport_cyto import metacyto, provenance, tables
    from immport_cyto.progress import progress

    files = collect_fcs(paths, files_json)
    parts = groups(files, samples)
    left_out = [name.strip() for name in exclude.split(",")] if exclude else metacyto.NOT_CLUSTERED
    results = []
    with progress("clustering", len(parts), quiet=quiet) as shown:
        for part in parts:
            results.append(
                metacyto.auto_cluster(
                    part.files,
                    study_accession=part.study_accession,
                    panel_id=part.panel_id,
                    clustering=clustering,
                    n_clusters=n_clusters,
                    channel=channel,
                    cutoffs=given_cutoffs(cutoffs_path, part.study_accession, part.panel_id),
                    exclude=left_out,
                    seed=seed,
                    quantile=quantile,
                    min_fraction=min_fraction,
                    with_members=members is not None,
                )
            )
            if shown:
                shown.step(str(part))
    united = metacyto.unite(result.labels for result in results)
    tables.write(united, definitions, tables.DEFINITIONS)
    found = tables.concat((result.clusters for result in results), tables.CLUSTERS)
    if clusters:
        tables.write(found, clusters, tables.CLUSTERS)
    if members:
        tables.write(tables.concat((result.members for result in results), tables.MEMBERS), members, tables.MEMBERS)
    if cutoffs_out:
        tables.write(tables.concat((result.cutoffs for result in results), tables.CUTOFFS), cutoffs_out, tables.CUTOFFS)
    notes = [f"{part}: {note}" for part, result in zip(parts, results, strict=True) for note in result.notes]
    for note in notes:
        click.echo(f"immport-cyto: warning: {note}", err=True)
    click.echo(f"{definitions}: {len(united)} labels from {len(found)} clusters of {len(parts)} panels", err=True)
    if json_path:
        provenance.write(json_path, provenance.record(
            "cluster metacyto", inputs=[*files.values(), *(path for path in (samples, cutoffs_path) if path)],
            parameters={"clustering": clustering, "n_clusters": n_clusters, "channel": channel,
                        "exclude": list(left_out), "min_fraction": min_fraction, "quantile": quantile, "seed": seed},
            counts={"files": len(files), "panels": len(parts), "clusters": len(found), "labels": len(united)},
            warnings=notes,
        ))  # fmt: skip


@click.command("import")
@click.argument("cluster_stats", nargs=-1, required=True, type=_FILE)
@click.option(
    "--sample-info",
    type=_FILE,
    multiple=True,
    required=True,
    help="MetaCyto's sample_info.csv: fcs_files, Subject Age, Gender and any other columns; may be repeated.",
)
@click.option("--out", type=_FILE, required=True, help="Fractions to write (populations.tsv).")
@click.option("--medians", type=_FILE, help="Medians to write (medians.tsv).")
@click.option("--samples-out", type=_FILE, required=True, help="Samples to write (samples.tsv).")
@json_option
def import_command(
    cluster_stats: tuple[Path, ...], sample_info: tuple[Path, ...], out: Path, medians: Path | None,
    samples_out: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Read the CLUSTER_STATS of an earlier run of MetaCyto (cluster_stats_in_each_sample.csv, metacyto_stats.txt).

    \b
    Example:
      immport-cyto population import search_output/*/cluster_stats_in_each_sample.csv \\
        --sample-info sample_info.csv --out populations.tsv --samples-out samples.tsv
    """
    from immport_cyto import metacyto, provenance, tables

    populations, middles = metacyto.read_cluster_stats(cluster_stats)
    samples = metacyto.read_sample_info(sample_info, populations)
    unknown = sorted(set(populations["file_name"]) - set(samples["file_name"]))
    if unknown:
        click.echo(
            f"immport-cyto: warning: {len(unknown)} files have no row in the sample info and will not be used "
            f"({unknown[0]}, ...)",
            err=True,
        )
    tables.write(populations, out, tables.POPULATIONS)
    tables.write(samples, samples_out, tables.SAMPLES)
    if medians:
        tables.write(middles, medians, tables.MEDIANS)
    n_files = int(populations["file_name"].nunique())
    click.echo(f"{out}: {populations['population'].nunique()} populations in {n_files} files", err=True)
    if json_path:
        provenance.write(json_path, provenance.record(
            "population import", inputs=[*cluster_stats, *sample_info],
            counts={"rows": len(populations), "files": n_files, "without_sample": len(unknown)},
        ))  # fmt: skip
