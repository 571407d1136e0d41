"""``immport-cyto population``: cut-offs, labels of metaclusters, search by definition, per-sample summary."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli import _metacyto, _population_annotate, _population_export
from immport_cyto.cli._common import collect_fcs, files_option, json_option, quiet_option
from immport_cyto.exceptions import OptionError

if TYPE_CHECKING:
    import pandas as pd

_FILE = click.Path(path_type=Path, dir_okay=False)

_fcs_argument = click.argument("paths", metavar="[FCS]...", nargs=-1, type=click.Path(path_type=Path))
_samples_option = click.option(
    "--samples", type=_FILE, help="samples.tsv: files are taken together by study; without it all are one study."
)
_definitions_option = click.option(
    "--definitions", type=_FILE,
    help="Table with columns population, definition, parent (definitions.tsv).  [default: the standard populations]",
)  # fmt: skip


@click.group("population")
def group() -> None:
    """Find, name and count populations."""


group.add_command(_metacyto.import_command)
group.add_command(_population_annotate.annotate)
group.add_command(_population_export.export)


@group.command("cutoffs")
@_fcs_argument
@files_option
@_samples_option
@click.option("--markers", help="Only these markers, separated by commas.  [default: all]")
@_metacyto.method_option
@_metacyto.sample_size_option
@_metacyto.seed_option
@click.option("--out", type=_FILE, required=True, help="Cut-offs to write (cutoffs.tsv).")
@click.option("--figure", type=_FILE, help="Write the densities of the markers with their cut-offs (.svg, .png, .pdf).")
@click.option(
    "--drift-figure", type=_FILE, help="Write how the cut-offs differ between studies and panels (.svg, .png, .pdf)."
)
@click.option("--densities", "densities_out", type=_FILE, help="Write these densities (densities.tsv).")
@json_option
@quiet_option
def cutoffs(
    paths: tuple[Path, ...], files_json: Path | None, samples: Path | None,
    markers: str | None, method: str, sample_size: int, seed: int, out: Path, figure: Path | None,
    drift_figure: Path | None, densities_out: Path | None, json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Find the value above which each marker is positive, per study and panel, or that there is none.

    \b
    Example:
      immport-cyto population cutoffs preprocessed/ --samples samples.tsv --out cutoffs.tsv --figure cutoffs.svg
    """
    from immport_cyto import provenance, tables

    _metacyto.check_options(method, only_metacyto=("--sample-size", "--seed"))
    files = collect_fcs(paths, files_json)
    random = {"method": method, "seed": seed, "sample_size": sample_size} if method == "metacyto" else {}
    warnings: list[str] = []
    if method == "metacyto":
        frame = _metacyto.cutoffs(files, samples, markers, seed=seed, sample_size=sample_size, quiet=quiet)
    else:
        from immport_cyto.population.grouping import remarks

        warnings = remarks(files)
        for text in warnings:
            click.echo(text, err=True)
        frame = _cutoffs(files, samples, markers, quiet)
    tables.write(frame, out, tables.CUTOFFS)
    _show_cutoffs(files, samples, frame, figure, drift_figure, densities_out)
    without = int(frame["cutoff"].isna().sum())
    why = "; column note says why not" if without else ""
    click.echo(f"{out}: {len(frame) - without} of {len(frame)} markers with a cut-off{why}", err=True)
    if json_path:
        entry = provenance.record(
            "population cutoffs",
            inputs=_inputs(files, samples),
            parameters={"markers": markers, **random},
            counts={"files": len(files), "markers": len(frame), "without_cutoff": without},
            warnings=warnings,
        )
        provenance.write(json_path, entry)


@group.command("label")
@click.option("--clusters", type=_FILE, required=True, help="Metaclusters (clusters.tsv).")
@click.option("--medians", type=_FILE, required=True, help="Their medians (cluster_medians.tsv).")
@click.option("--cutoffs", "cutoffs_path", type=_FILE, required=True, help="Cut-offs (cutoffs.tsv).")
@_definitions_option
@click.option("--out", type=_FILE, required=True, help="Clusters with phenotype and name to write.")
@json_option
def label(
    clusters: Path, medians: Path, cutoffs_path: Path, definitions: Path | None, out: Path, json_path: Path | None
) -> None:
    """Name each metacluster by the signs of its markers.

    \b
    Example:
      immport-cyto population label --clusters clusters.tsv --medians cluster_medians.tsv --cutoffs cutoffs.tsv \\
          --out clusters_named.tsv
    """
    from immport_cyto import population, provenance, tables

    frame = population.label(
        tables.read(clusters, tables.CLUSTERS),
        tables.read(medians, tables.CLUSTER_MEDIANS),
        tables.read(cutoffs_path, tables.CUTOFFS),
        tables.read(definitions, tables.DEFINITIONS) if definitions else None,
    )
    tables.write(frame, out, tables.CLUSTERS)
    named = int((frame["definition"] != "").sum())
    click.echo(f"{out}: {named} of {len(frame)} metaclusters named; the others keep their phenotype", err=True)
    if json_path:
        entry = provenance.record(
            "population label",
            inputs=[path for path in (clusters, medians, cutoffs_path, definitions) if path],
            counts={"metaclusters": len(frame), "named": named},
        )
        provenance.write(json_path, entry)


@group.command("search")
@_fcs_argument
@files_option
@_samples_option
@_definitions_option
@click.option(
    "--population", "given", multiple=True, metavar="NAME=GATES",
    help="A population, such as 'T=CD3+ (CD4+ OR CD8+) NOT CD14+' or 'other T=[T cells] NOT [T]'; may be repeated.",
)  # fmt: skip
@click.option("--cutoffs", "cutoffs_path", type=_FILE, help="Cut-offs to use (cutoffs.tsv).  [default: found here]")
@click.option(
    "--partial", is_flag=True,
    help="Where a panel lacks markers of a population, count it without the gates on them, under a name of its own: "
    "'NK cells (partial: without CD14-)'.  [default: those with yes in the column partial of the "
    "definitions; the others are told on stderr]",
)  # fmt: skip
@_metacyto.method_option
@_metacyto.pre_gate_option
@_metacyto.sample_size_option
@_metacyto.seed_option
@click.option("--out", type=_FILE, required=True, help="Events of each population and file to write (counts.tsv).")
@click.option("--medians", type=_FILE, help="Medians of each population, file and marker to write.")
@click.option("--cutoffs-out", type=_FILE, help="Write the cut-offs that were used.")
@json_option
@quiet_option
def search(
    paths: tuple[Path, ...], files_json: Path | None, samples: Path | None,
    definitions: Path | None, given: tuple[str, ...], cutoffs_path: Path | None, partial: bool, method: str,
    pre_gate: str, sample_size: int, seed: int, out: Path, medians: Path | None, cutoffs_out: Path | None,
    json_path: Path | None, quiet: bool,
) -> None:  # fmt: skip
    """Count the events of populations that are given by their gates.

    An event is + for a marker above its cut-off and - at or below it; ++ is above the second cut-off and lo between
    the two, where a marker has two. Gates side by side must all hold; OR, NOT and brackets join others, and [NAME]
    stands for another population of the table or a standard one. A fraction is of the parent, or of what the column
    reference of the definitions names: gates, another population of the table, or 'all'. What a panel cannot answer is
    told on stderr and in the JSON, with the markers that are missing and what can be searched without them.

    With --method metacyto gates have + and - only, an event at the cut-off is neither, fractions are of all events of
    the file, and cut-offs are found on random events. Files must come from events preprocess --method metacyto.

    \b
    Example:
      immport-cyto population search preprocessed/ --samples samples.tsv --population "T cells=CD3+" \\
          --out counts.tsv --cutoffs-out cutoffs.tsv
    """
    from immport_cyto import provenance, tables

    _metacyto.check_options(
        method, only_standard=("--partial",), only_metacyto=("--pre-gate", "--sample-size", "--seed")
    )
    files = collect_fcs(paths, files_json)
    wanted = _definitions(definitions, given, standard=method == "standard")
    random = {}
    if method == "metacyto":
        random = {"method": method, "pre_gate": pre_gate, "seed": seed, "sample_size": sample_size}
        counts, middles, cuts, notes = _metacyto.search(
            files, samples, wanted, cutoffs_path, pre_gate=pre_gate, seed=seed, sample_size=sample_size, quiet=quiet
        )
    else:
        counts, middles, cuts, notes = _search(files, samples, wanted, cutoffs_path, partial, quiet)
    for note in notes:
        click.echo(note, err=True)
    tables.write(counts, out, tables.COUNTS)
    if medians:
        tables.write(middles, medians, tables.MEDIANS)
    if cutoffs_out:
        tables.write(cuts, cutoffs_out, tables.CUTOFFS)
    click.echo(f"{out}: {counts['population'].nunique()} of {len(wanted)} populations in {len(files)} files", err=True)
    if json_path:
        entry = provenance.record(
            "population search",
            inputs=[*_inputs(files, samples), *(path for path in (definitions, cutoffs_path) if path)],
            parameters={"populations": list(given), "partial": partial, **random},
            counts={"files": len(files), "populations": int(counts["population"].nunique())},
            warnings=notes,
        )
        provenance.write(json_path, entry)


@group.command("summary")
@click.option("--counts", "counts_paths", type=_FILE, multiple=True, help="counts.tsv; may be repeated.")
@click.option(
    "--clustered", type=click.Path(path_type=Path), multiple=True,
    help="FCS files with metaclusters (from cluster map), or a folder of them; may be repeated.",
)  # fmt: skip
@files_option
@click.option("--clusters", type=_FILE, help="Named metaclusters of these files (clusters.tsv).")
@click.option("--samples", type=_FILE, required=True, help="One row per FCS result file (samples.tsv).")
@click.option("--out", type=_FILE, required=True, help="One row per population and sample to write (populations.tsv).")
@click.option("--medians", type=_FILE, help="Medians of the clustered files to write.")
@json_option
def summary(
    counts_paths: tuple[Path, ...], clustered: tuple[Path, ...], files_json: Path | None,
    clusters: Path | None, samples: Path, out: Path, medians: Path | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Join counts with samples: one row per population and sample, with flags; no row is dropped.

    \b
    Example:
      immport-cyto population summary --counts counts.tsv --clustered clustered/ --clusters clusters_named.tsv \\
          --samples samples.tsv --out populations.tsv
    """
    from immport_cyto import population, provenance, tables

    known = tables.read(samples, tables.SAMPLES)
    parts = [tables.read(path, tables.COUNTS) for path in counts_paths]
    files: dict[str, Path] = {}
    middles: list[pd.DataFrame] = []
    if clustered or files_json:
        if clusters is None:
            msg = "clustered FCS files need --clusters with the names of their metaclusters"
            raise OptionError(msg)
        files = collect_fcs(clustered, files_json)
        named = tables.read(clusters, tables.CLUSTERS)
        for part in population.groups(files, known):
            rows = named[
                (named["panel_id"] == part.panel_id) & named["study_accession"].isin([part.study_accession, ""])
            ]
            if rows.empty:
                msg = f"{clusters}: has no metacluster of {part}; give the table of the model that mapped these files"
                raise OptionError(msg)
            counted, found = population.count_clusters(part.files, rows)
            parts.append(counted)
            middles.append(found)
    if not parts:
        msg = "nothing to summarise; give --counts, or --clustered with --clusters"
        raise OptionError(msg)
    frame = population.summary(tables.concat(parts, tables.COUNTS), known)
    tables.write(frame, out, tables.POPULATIONS)
    if medians:
        tables.write(tables.concat(middles, tables.MEDIANS), medians, tables.MEDIANS)
    flagged = int(frame.loc[frame["flag"] != "", "file_name"].nunique())
    click.echo(
        f"{out}: {frame['population'].nunique()} populations in {frame['file_name'].nunique()} samples, "
        f"{flagged} samples with a flag", err=True,
    )  # fmt: skip
    if json_path:
        entry = provenance.record(
            "population summary",
            inputs=[*counts_paths, *files.values(), samples, *([clusters] if clusters else [])],
            counts={"rows": len(frame), "flagged_samples": flagged},
        )
        provenance.write(json_path, entry)


def _inputs(files: dict[str, Path], samples: Path | None) -> list[Path]:
    return [*files.values(), *([samples] if samples else [])]


def _cutoffs(files: dict[str, Path], samples: Path | None, markers: str | None, quiet: bool) -> "pd.DataFrame":
    from immport_cyto import population, tables
    from immport_cyto.progress import progress

    known = tables.read(samples, tables.SAMPLES) if samples else None
    members = population.groups(files, known)
    wanted = [marker.strip() for marker in markers.split(",") if marker.strip()] if markers else None
    found = []
    with progress("cut-offs", len(members), quiet=quiet) as shown:
        for part in members:
            found.append(
                population.cutoffs(
                    part.files, study_accession=part.study_accession, panel_id=part.panel_id, markers=wanted
                )
            )
            if shown:
                shown.step(str(part))
    return tables.concat(found, tables.CUTOFFS)


def _show_cutoffs(
    files: dict[str, Path], samples: Path | None, cuts: "pd.DataFrame", figure: Path | None,
    drift_figure: Path | None, densities_out: Path | None,
) -> None:  # fmt: skip
    """Write the figures of the cut-offs that are wanted, and the densities."""
    from immport_cyto import population, report, tables

    if figure or densities_out:
        found = [
            population.densities(part.files, study_accession=part.study_accession, panel_id=part.panel_id)
            for part in population.groups(files, tables.read(samples, tables.SAMPLES) if samples else None)
        ]
        curves = tables.concat(found, tables.DENSITIES)
        curves = curves[curves["marker"].isin(set(cuts["marker"]))]
        if densities_out:
            tables.write(curves, densities_out, tables.DENSITIES)
        if figure:
            report.save(report.figures.cutoff_densities(curves, cuts), figure)
    if drift_figure:
        report.save(report.figures.cutoff_drift(cuts), drift_figure)


def _search(
    files: dict[str, Path],
    samples: Path | None,
    wanted: "pd.DataFrame",
    cutoffs_path: Path | None,
    partial: bool,
    quiet: bool,
) -> tuple["pd.DataFrame", "pd.DataFrame", "pd.DataFrame", list[str]]:
    from immport_cyto import population, tables
    from immport_cyto.population.grouping import marker_channels, remarks
    from immport_cyto.progress import progress

    own = {marker for channels in marker_channels(files).values() for marker in channels}
    population.check(wanted, own)
    notes = remarks(files)
    cuts = tables.read(cutoffs_path, tables.CUTOFFS) if cutoffs_path else _cutoffs(files, samples, None, quiet)
    found, found_medians = [], []
    members = population.groups(files, tables.read(samples, tables.SAMPLES) if samples else None)
    with progress("search", len(members), quiet=quiet) as shown:
        for part in members:
            counts, middles, said = population.search(
                part.files, cuts, wanted, panel_id=part.panel_id or None,
                study_accession=part.study_accession or None, with_partial=partial, other_markers=own,
            )  # fmt: skip
            found.append(counts)
            found_medians.append(middles)
            notes += said
            if shown:
                shown.step(str(part))
    return tables.concat(found, tables.COUNTS), tables.concat(found_medians, tables.MEDIANS), cuts, notes


def _definitions(path: Path | None, given: tuple[str, ...], *, standard: bool = True) -> "pd.DataFrame":
    """Populations of a table and of the command line; without any the standard ones, where these are wanted."""
    import pandas as pd

    from immport_cyto import population, tables

    parts: list[Any] = [tables.read(path, tables.DEFINITIONS)] if path else []
    rows = []
    for text in given:
        name, equals, gates = text.partition("=")
        if not equals or not name.strip() or not gates.strip():
            msg = f"{text!r} is not of the form NAME=GATES, such as 'Naive CD4=CD3+ CD4+ CCR7+ CD45RA+'"
            raise click.BadParameter(msg, param_hint="--population")
        rows.append({"population": name.strip(), "definition": gates.strip()})
    if rows:
        parts.append(tables.conform(pd.DataFrame(rows), tables.DEFINITIONS))
    return tables.concat(parts, tables.DEFINITIONS) if parts or not standard else population.standard_populations()
