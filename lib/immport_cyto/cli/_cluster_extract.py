"""``immport-cyto cluster extract``: events of populations as FCS files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._cluster_results import FILE, FOLDER, fcs_argument, record, rows_of_group
from immport_cyto.cli._common import collect_fcs, files_option, instead, json_option
from immport_cyto.cli._each_file import check_elements, elements_option, numbered, write_elements
from immport_cyto.cli._targets import targets
from immport_cyto.exceptions import OptionError, OutputExistsError

if TYPE_CHECKING:
    import pandas as pd


@click.command("extract")
@fcs_argument
@files_option
@click.option(
    "--population", "populations", multiple=True,
    help="Name of a population in --clusters; may be repeated.  [default: all of --clusters]",
)  # fmt: skip
@click.option(
    "--metacluster", "--label", "numbers", type=click.IntRange(min=1), multiple=True,
    help="Number of a metacluster, or of --channel; may be repeated, each is a population of its own.",
)  # fmt: skip
@click.option("--clusters", "clusters_path", type=FILE, help="clusters.tsv with the populations of the metaclusters.")
@click.option(
    "--samples", "samples_path", type=FILE,
    help="samples.tsv, for the study of each file, where --clusters holds several studies.",
)  # fmt: skip
@click.option(
    "--channel", help="Channel that holds the numbers.  [default: that of --clusters, else FlowSOM_metacluster]"
)
@click.option("--together", is_flag=True, help="One file for all chosen populations instead of one for each.")
@click.option("--write-empty", is_flag=True, help="Write a file also where a population has no events.")
@click.option("--out-dir", type=FOLDER, required=True, help="Folder for the FCS files, FILE_POPULATION.fcs.")
@click.option("--out", "table_path", type=FILE, help="Table to write: events of each population in each file.")
@elements_option
@json_option
def extract(
    paths: tuple[Path, ...], files_json: Path | None, populations: tuple[str, ...], numbers: tuple[int, ...],
    clusters_path: Path | None, samples_path: Path | None, channel: str | None, together: bool, write_empty: bool,
    out_dir: Path, table_path: Path | None, elements_path: Path | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Write the events of populations or metaclusters to FCS files, with all channels and keywords.

    A population holds the metaclusters that 'population summary' counts for it. Events keep their order.

    \b
    Example:
      immport-cyto cluster extract clustered/ --clusters clusters_named.tsv --population "B cells" \\
          --out-dir b_cells --out extracted.tsv
    """
    import pandas as pd

    from immport_cyto import tables
    from immport_cyto.cluster import extracting
    from immport_cyto.cluster.files import METACLUSTER_CHANNEL
    from immport_cyto.population.counting import label_channel

    if not (populations or numbers or clusters_path):
        msg = "say what to extract: --metacluster, or --clusters with --population"
        raise click.UsageError(msg)
    if populations and clusters_path is None:
        msg = "--population needs --clusters with the names"
        raise click.UsageError(msg)
    files = collect_fcs(paths, files_json)
    named = tables.read(clusters_path, tables.CLUSTERS) if clusters_path else None
    samples = tables.read(samples_path, tables.SAMPLES) if samples_path else None
    channel = channel or (METACLUSTER_CHANNEL if named is None else label_channel(named))
    by_name = named is not None and (populations or not numbers)
    known = {name: _populations(name, path, named, samples) for name, path in files.items()} if by_name else {}
    warnings = _lacking(populations, known)
    wanted = {name: _wanted(populations, numbers, known.get(name, {}), channel, together=together) for name in files}
    called = {(name, population): f"{_stem(name)}_{population.replace(' ', '_')}.fcs"
              for name in files for population in wanted[name]}  # fmt: skip
    if len(set(called.values())) < len(called):
        twice = next(one for one, number in Counter(called.values()).items() if number > 1)
        msg = f"{twice}: two results would have this name; rename one of the files or populations"
        raise OutputExistsError(msg)
    if elements_path:
        check_elements(called.values(), "extracted")
        placed = numbered(list(called.values()), out_dir, ".fcs")
    else:
        placed = targets({file: files[name] for (name, _), file in called.items()}, out_dir)
    into = {name: {p: placed[called[name, p]] for p in wanted[name]} for name in files}
    rows = []
    for name, path in files.items():
        for found in extracting.extract(name, path, wanted[name], into[name], channel=channel, write_empty=write_empty):
            written = found.n_events or write_empty
            target = into[name][found.population]
            rows.append(
                {
                    "file_name": name,
                    "population": found.population,
                    "clusters": ";".join(map(str, found.clusters)),
                    "n_events": found.n_events,
                    "n_events_in": found.n_events_in,
                    "percentage": 100 * found.n_events / found.n_events_in if found.n_events_in else None,
                    "written": (called[name, found.population] if elements_path else target.name) if written else "",
                }
            )
    if elements_path:
        write_elements(elements_path, {"extracted": placed})
    table = tables.conform(pd.DataFrame(rows), tables.EXTRACTED)
    found_events = table.groupby("population", sort=False)["n_events"].sum()
    none = found_events.index[found_events == 0]
    warnings += [f"{name}: no event in any file; check the number or the name" for name in none]
    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
    if table_path:
        tables.write(table, table_path, tables.EXTRACTED)
    n_written = int((table["written"] != "").sum())
    counts = {"files": len(files), "events": int(table["n_events"].sum()), "files_written": n_written}
    parameters = {
        "populations": list(populations), "metaclusters": list(numbers), "channel": channel, "together": together,
    }  # fmt: skip
    inputs = [*files.values(), *(path for path in (clusters_path, samples_path) if path)]
    record("cluster extract", json_path, [], inputs, counts, warnings, parameters)
    click.echo(f"{out_dir}: {counts['events']} events in {n_written} files", err=True)


def _lacking(populations: Sequence[str], known: Mapping[str, Mapping[str, list[int]]]) -> list[str]:
    """Warnings on populations that the panels of some files do not have; an error if none has one."""
    from immport_cyto.cluster.scale import listed

    warnings = []
    for population in populations:
        without = [name for name, some in known.items() if population not in some]
        if without and len(without) == len(known):
            found = [one for some in known.values() for one in some]
            msg = f"{listed(without)}: no population {population!r} in clusters.tsv; {instead(population, found)}"
            raise OptionError(msg)
        if without:
            warnings.append(
                f"{len(without)} of {len(known)} files are of a study or panel without the population {population!r} "
                f"({listed(without)})"
            )
    return warnings


def _wanted(
    populations: Sequence[str], numbers: Sequence[int], known: Mapping[str, list[int]], channel: str, *, together: bool
) -> dict[str, list[int]]:
    """Labels of each population that is to be extracted from a file."""
    chosen: dict[str, list[int]] = {f"{channel} {number}": [number] for number in numbers}
    chosen |= {population: known[population] for population in populations or known if population in known}
    if together and chosen:
        return {" + ".join(chosen): sorted({number for some in chosen.values() for number in some})}
    return chosen


def _populations(name: str, path: Path, named: "pd.DataFrame", samples: "pd.DataFrame | None") -> dict[str, list[int]]:
    """Metaclusters of each population of the study and panel of a file."""
    from immport_cyto import population
    from immport_cyto.population.counting import members

    (group,) = population.groups({name: path}, samples)
    rows = (
        rows_of_group(named, group.study_accession, group.panel_id)
        if samples is not None
        else named[named["panel_id"] == group.panel_id]
    )
    if rows.empty:
        msg = f"{name}: clusters.tsv has no metacluster of {group}; give the table of the model that mapped the file"
        raise OptionError(msg)
    if rows["metacluster"].duplicated().any():
        msg = f"{name}: clusters.tsv holds several studies with its panel; give --samples, or the rows of one model"
        raise OptionError(msg)
    return members(rows)


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".fcs")
