"""``immport-cyto immport``: load packages, link FCS files to subjects."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option
from immport_cyto.cli._immport_results import results
from immport_cyto.cli._immport_search import reagents, search
from immport_cyto.cli._immport_store import SeveralValues
from immport_cyto.exceptions import InputError, LinkError

if TYPE_CHECKING:
    from immport_cyto.immport import LoadReport


@click.group(help="Load ImmPort packages, link FCS files to subjects, ask what there is.")
def group() -> None:
    pass


for _command in (results, search, reagents):
    group.add_command(_command)


@group.command()
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--store", "store_path", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file to load into; made where there is none.",
)  # fmt: skip
@json_option
def load(packages: tuple[Path, ...], store_path: Path, json_path: Path | None) -> None:
    """Load Tab packages (zip or folder) and Subject_2 tables into a store.

    The same package twice changes nothing; a newer release of a study replaces the older one and says what changed.
    """
    from immport_cyto import immport, provenance

    with immport.open_store(store_path) as store:
        reports = store.load(packages)
        for report in reports:
            click.echo(report.sentence())
            for change in report.changes:
                click.echo(f"  changed: {change}")
        _warn(reports)
        if json_path:
            counts = {"studies": len(reports), **_sum_counts(reports)}
            entry = provenance.record(
                "immport load",
                inputs=packages,
                parameters={"store": store_path.name},
                counts=counts,
                warnings=_findings(reports),
                extra={"sources": store.sources(), "studies": [_as_json(report) for report in reports]},
            )
            provenance.write(json_path, entry)


@group.command(cls=SeveralValues)
@click.option(
    "--store", "store_path", type=click.Path(path_type=Path, dir_okay=False), help="Store made by 'immport load'."
)
@click.option(
    "--metadata", "packages", metavar="PACKAGE...", multiple=True, type=click.Path(path_type=Path),
    help="Tab packages or Subject_2 tables, instead of a store.",
)  # fmt: skip
@click.option(
    "--fcs", "fcs_paths", metavar="PATH...", multiple=True, type=click.Path(path_type=Path),
    help="FCS files, or folders of them.",
)  # fmt: skip
@files_option
@click.option(
    "--names-from", type=click.Path(path_type=Path, dir_okay=False),
    help="Text file with one FCS file name per line, instead of files.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="List every result file of the metadata, without files.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="samples.tsv: one row per file."
)
@click.option(
    "--orphans", "orphans_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Table of files without metadata, and of metadata without a file.",
)  # fmt: skip
@click.option("--allow-orphans", is_flag=True, help="Go on without the files that have no match in the metadata.")
@json_option
def link(
    store_path: Path | None,
    packages: tuple[Path, ...],
    fcs_paths: tuple[Path, ...],
    files_json: Path | None,
    names_from: Path | None,
    everything: bool,
    out: Path,
    orphans_path: Path | None,
    allow_orphans: bool,
    json_path: Path | None,
) -> None:
    """Link FCS files to subject, visit, arm, age and sex: one row of samples.tsv per file."""
    if bool(store_path) == bool(packages):
        msg = "give either --store or --metadata"
        raise click.UsageError(msg)
    if bool(fcs_paths or files_json) + bool(names_from) + everything != 1:
        msg = "give one of --fcs (or --files), --names-from and --all"
        raise click.UsageError(msg)
    if store_path and not store_path.is_file():
        msg = f"{store_path}: no such store; make it with 'immport-cyto immport load PACKAGE --store {store_path}'"
        raise InputError(msg)
    files: dict[str, Path] | list[str] | None = None
    if fcs_paths or files_json:
        files = collect_fcs(fcs_paths, files_json)
    elif names_from:
        files = _read_names(names_from)

    from immport_cyto import immport, provenance, tables

    with immport.open_store(store_path or ":memory:") as store:
        reports = store.load(packages) if packages else []
        _warn(reports)
        samples = store.link(files)
        orphans = store.orphans
        if orphans_path:
            tables.write(orphans, orphans_path, immport.ORPHANS)
        unlinked = orphans[orphans["kind"] == "file without metadata"]
        n_files = len(samples) + len(unlinked)
        _check(unlinked.to_dict("records"), n_files, allow_orphans or everything, bool(len(samples)))
        for finding in store.findings:
            click.echo(f"immport-cyto: warning: {finding}", err=True)
        tables.write(samples, out, tables.SAMPLES)
        counts = {
            "files": n_files,
            "linked": len(samples),
            "files_without_metadata": len(unlinked),
            "metadata_without_file": len(orphans) - len(unlinked),
        }
        text = f"{counts['linked']} of {n_files} files linked, {counts['files_without_metadata']} without metadata"
        click.echo(f"{text}, {counts['metadata_without_file']} result files of the metadata without a file")
        if json_path:
            entry = provenance.record(
                "immport link",
                inputs=[*packages, *([names_from] if names_from else [])],
                parameters={"allow_orphans": allow_orphans, "all": everything},
                counts=counts,
                warnings=[*_findings(reports), *store.findings],
                extra={
                    "sources": store.sources(),
                    "rules": {str(rule): int(n) for rule, n in samples["link_rule"].value_counts().items() if rule},
                },
            )
            provenance.write(json_path, entry)


def _check(unlinked: list[dict[str, Any]], n_files: int, allowed: bool, any_linked: bool) -> None:
    if not unlinked or (allowed and any_linked):
        return
    first = unlinked[0]
    text = f"{len(unlinked)} of {n_files} FCS files have no match in the metadata (first: {first['file_name']}: "
    if allowed:
        msg = f"{text}{first['reason']}), so no row is left; give the packages of their studies"
    else:
        msg = f"{text}{first['reason']}); give the package of their study, or add --allow-orphans to go on without them"
    raise LinkError(msg)


def _read_names(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read as a list of names ({error}); give UTF-8 text with one name per line"
        raise InputError(msg) from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        msg = f"{path}: holds no names; give one FCS file name per line"
        raise InputError(msg)
    return names


def _findings(reports: "list[LoadReport]") -> list[str]:
    return list(dict.fromkeys(finding for report in reports for finding in report.findings))


def _warn(reports: "list[LoadReport]") -> None:
    for finding in _findings(reports):
        click.echo(f"immport-cyto: warning: {finding}", err=True)


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
    }
