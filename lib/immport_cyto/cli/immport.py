"""``immport-cyto immport``: load packages, link FCS files to subjects."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._common import json_option
from immport_cyto.cli._immport_domains import domains
from immport_cyto.cli._immport_link import link
from immport_cyto.cli._immport_network import download, query
from immport_cyto.cli._immport_privacy import privacy
from immport_cyto.cli._immport_results import results
from immport_cyto.cli._immport_search import reagents, search
from immport_cyto.cli._immport_store import filled, warn
from immport_cyto.cli._immport_template import template
from immport_cyto.cli._immport_validate import validate

if TYPE_CHECKING:
    from immport_cyto.immport import LoadReport


@click.group(help="Load ImmPort packages, link FCS files to subjects, ask what there is.")
def group() -> None:
    pass


for _command in (link, results, search, reagents, domains, query, download, template, validate, privacy):
    group.add_command(_command)


@group.command()
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--store", "store_path", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file to load into; made where there is none.",
)  # fmt: skip
@json_option
def load(packages: tuple[Path, ...], store_path: Path, json_path: Path | None) -> None:
    """Load Tab packages, Subject_2 tables, saved API responses and upload templates into a store.

    The same package twice changes nothing; a newer release of a study replaces the older one and says what changed.

    \b
    Example:
      immport-cyto immport load SDY420-DR40_Tab.zip SDY736-DR40_Tab.zip --store immport.sqlite
    """
    from immport_cyto import provenance

    with filled(store_path) as store:
        reports = []
        for package in packages:  # one by one, so that a line tells when each is in the store
            for report in store.load([package]):
                reports.append(report)
                click.echo(report.sentence())
                for change in report.changes:
                    click.echo(f"  changed: {change}")
        for line in _columns(reports):
            click.echo(line)
        warn(store.load_findings)
        if json_path:
            counts = {"studies": len(reports), **_sum_counts(reports)}
            entry = provenance.record(
                "immport load",
                inputs=packages,
                parameters={"store": store_path.name},
                counts=counts,
                warnings=store.load_findings,
                extra={"sources": store.sources(), "studies": [_as_json(report) for report in reports]},
            )
            provenance.write(json_path, entry)


def _columns(reports: "list[LoadReport]") -> list[str]:
    """Tables and columns that sources lack, or have and nobody knows: a line for all sources that do so alike."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for report in reports:
        for words, names in (("not in", report.absent), ("not known and not read in", report.unknown)):
            if names:
                alike.setdefault((words, tuple(names)), []).append(report.source)
    lines = []
    for (words, lacking), of in alike.items():
        sources = list(dict.fromkeys(of))
        where = sources[0] if len(sources) == 1 else f"{len(sources)} sources (first {sources[0]})"
        lines.append(f"{words} {where}: {', '.join(lacking)}")
    return lines


def _sum_counts(reports: "list[LoadReport]") -> dict[str, int]:
    names = ("subjects", "biosamples", "expsamples", "files", "result_files")
    return {name: sum(report.counts.get(name, 0) for report in reports) for name in names}


def _as_json(report: "LoadReport") -> dict[str, object]:
    return {
        "study_accession": report.study_accession,
        "source": report.source,
        "kind": report.kind,
        "release": report.release,
        "status": str(report.status),
        "replaced_release": report.replaced_release,
        "counts": report.counts,
        "changes": report.changes,
        "findings": report.findings,
        "absent": report.absent,
        "unknown": report.unknown,
    }
