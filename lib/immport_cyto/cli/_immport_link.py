"""``immport-cyto immport link``: FCS files to subjects."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._common import collect_fcs, files_option, json_option
from immport_cyto.cli._immport_store import SeveralValues, opened, store_options, warn
from immport_cyto.exceptions import InputError, LinkError

if TYPE_CHECKING:
    import pandas as pd

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=SeveralValues)
@store_options
@click.option(
    "--sheet", "given_sheet", type=_FILE,
    help="Sample sheet instead of metadata of ImmPort: a table with element_identifier (the file), study_accession, "
    "subject_accession and whatever else samples.tsv has, as --sample-sheet writes it; or the JSON of Galaxy.",
)  # fmt: skip
@click.option(
    "--fcs", "fcs_paths", metavar="PATH...", multiple=True, type=click.Path(path_type=Path),
    help="FCS files, or folders of them.",
)  # fmt: skip
@files_option
@click.option("--names-from", type=_FILE, help="Text file with one FCS file name per line, instead of files.")
@click.option("--all", "everything", is_flag=True, help="List every result file of the metadata, without files.")
@click.option("--out", required=True, type=_FILE, help="samples.tsv: one row per file.")
@click.option(
    "--orphans", "orphans_path", type=_FILE,
    help="Table of files without metadata, and of metadata without a file.",
)  # fmt: skip
@click.option("--allow-orphans", is_flag=True, help="Go on without the files that have no match in the metadata.")
@click.option(
    "--sample-sheet", "sheet_path", type=_FILE, help="The same as columns of a Galaxy sample sheet (tabular)."
)
@click.option(
    "--sample-sheet-json", "sheet_json_path", type=_FILE,
    help="The same for Galaxy's API: column_definitions and rows of a sample_sheet collection.",
)  # fmt: skip
@click.option("--catalyst", "catalyst_path", type=_FILE, help="The same as the metadata table (md) of CATALYST.")
@click.option(
    "--condition", default="arm_name", show_default=True,
    help="Column of samples.tsv that CATALYST's table gives as condition.",
)  # fmt: skip
@json_option
def link(
    store_path: Path | None, packages: tuple[Path, ...], given_sheet: Path | None, fcs_paths: tuple[Path, ...],
    files_json: Path | None, names_from: Path | None, everything: bool, out: Path, orphans_path: Path | None,
    allow_orphans: bool, sheet_path: Path | None, sheet_json_path: Path | None, catalyst_path: Path | None,
    condition: str, json_path: Path | None,
) -> None:  # fmt: skip
    """Link FCS files to subject, visit, arm, age and sex: one row of samples.tsv per file.

    \b
    Example:
      immport-cyto immport link --metadata SDY420-DR40_Tab.zip --fcs ResultFiles --out samples.tsv --orphans orphans.tsv
    """
    if bool(fcs_paths or files_json) + bool(names_from) + everything != 1:
        msg = "give one of --fcs (or --files), --names-from and --all"
        raise click.UsageError(msg)
    if bool(store_path) + bool(packages) + bool(given_sheet) != 1:
        msg = "give one of --store, --metadata and --sheet"
        raise click.UsageError(msg)
    files: dict[str, Path] | list[str] | None = None
    if fcs_paths or files_json:
        files = collect_fcs(fcs_paths, files_json)
    elif names_from:
        files = _read_names(names_from)
    from immport_cyto import immport, provenance, tables

    linked = _by_sheet(given_sheet, files) if given_sheet else _by_metadata(store_path, packages, files)
    samples, orphans = linked.samples, linked.orphans
    if orphans_path:
        tables.write(orphans, orphans_path, immport.ORPHANS)
    unlinked = orphans[orphans["kind"] == immport.FILE_WITHOUT_METADATA]
    n_files = len(samples) + len(unlinked)
    _check(unlinked.to_dict("records"), n_files, allow_orphans or everything, bool(len(samples)))
    catalyst = immport.catalyst_metadata(samples, condition) if catalyst_path else None
    warn(linked.warnings)
    tables.write(samples, out, tables.SAMPLES)
    if sheet_path:
        tables.write(immport.sample_sheet(samples), sheet_path, immport.SAMPLE_SHEET)
    if sheet_json_path:
        provenance.write(sheet_json_path, immport.galaxy_payload(samples))
    if catalyst_path and catalyst is not None:
        tables.write(catalyst, catalyst_path, immport.CATALYST_METADATA)
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
            inputs=[*packages, *filter(None, (given_sheet, names_from))],
            parameters={"allow_orphans": allow_orphans, "all": everything},
            counts=counts,
            warnings=[*linked.load_warnings, *linked.warnings],
            extra={
                "sources": linked.sources,
                "rules": {str(rule): int(n) for rule, n in samples["link_rule"].value_counts().items() if rule},
            },
        )
        provenance.write(json_path, entry)


@dataclass(frozen=True)
class _Linked:
    samples: "pd.DataFrame"
    orphans: "pd.DataFrame"
    warnings: list[str]
    load_warnings: list[str]
    sources: Any


def _by_metadata(store_path: Path | None, packages: tuple[Path, ...], files: Any) -> _Linked:
    with opened(store_path, packages) as store:
        samples = store.link(files)
        return _Linked(samples, store.orphans, list(store.findings), list(store.load_findings), store.sources())


def _by_sheet(path: Path, files: Any) -> _Linked:
    import pandas as pd

    from immport_cyto import immport

    samples, unknown, unused = immport.link_sheet(immport.read_sheet(path), files)
    rows = [(immport.FILE_WITHOUT_METADATA, name, "", "the sample sheet has no row of this name") for name in unknown]
    rows += [("metadata without file", name, "", "no file given is this row of the sample sheet") for name in unused]
    orphans = pd.DataFrame(rows, columns=immport.ORPHANS.column_names, dtype=object)
    return _Linked(samples, orphans, [], [], [])


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
