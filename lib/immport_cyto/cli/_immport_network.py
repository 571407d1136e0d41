"""``immport-cyto immport query`` and ``download``: from ImmPort's server, with credentials of the environment."""

from pathlib import Path
from typing import Any

import click

from immport_cyto.cli._common import json_option, quiet_option
from immport_cyto.exceptions import InputError, NetworkError

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("study", metavar="SDY")
@click.option(
    "--endpoint", type=click.Choice(["filePath", "fcsAnalyzed"]), default="filePath", show_default=True,
    help="filePath: files with their samples and subjects; fcsAnalyzed: population results.",
)  # fmt: skip
@click.option("--out", required=True, type=_FILE, help="JSON for 'immport load'.")
@json_option
def query(study: str, endpoint: str, out: Path, json_path: Path | None) -> None:
    """Save what ImmPort's query API says about a study, for 'immport load'.

    Needs an account: IMMPORT_USERNAME and IMMPORT_PASSWORD, or IMMPORT_TOKEN, in the environment.

    \b
    Example:
      immport-cyto immport query SDY420 --out SDY420_filePath.json
    """
    from immport_cyto import immport, provenance

    n_rows = immport.save_query(immport.connect(), endpoint, study.upper(), out)
    click.echo(f"{n_rows} rows of {endpoint} of {study.upper()}")
    if json_path:
        parameters = {"study": study.upper(), "endpoint": endpoint}
        entry = provenance.record("immport query", inputs=[out], parameters=parameters, counts={"rows": n_rows})
        provenance.write(json_path, entry)


@click.command()
@click.argument("studies", metavar="[SDY...]", nargs=-1)
@click.option("--manifest", type=_FILE, help="A saved manifest (JSON or TSV), instead of studies.")
@click.option(
    "--type", "file_type", default="result_file", show_default=True,
    type=click.Choice(["result_file", "release_file", "study_file", "protocol_file", "archive_file", "all"]),
    help="Files of the manifest: FCS and other results, the Tab packages of the release, ...",
)  # fmt: skip
@click.option(
    "--match", "patterns", multiple=True, metavar="PATTERN",
    help="Only files whose name or path fits, such as '*.fcs'; may be repeated.",
)  # fmt: skip
@click.option("--out-dir", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to load into.")
@click.option("--report", "report_path", type=_FILE, help="Table of the files and what became of them.")
@click.option("--list-only", is_flag=True, help="Load nothing; say how many files and bytes there are.")
@click.option(
    "--access", type=click.Choice(["s3", "stream"]), default="s3", show_default=True,
    help="How ImmPort hands out the files.",
)  # fmt: skip
@quiet_option
@json_option
def download(
    studies: tuple[str, ...], manifest: Path | None, file_type: str, patterns: tuple[str, ...], out_dir: Path,
    report_path: Path | None, list_only: bool, access: str, quiet: bool, json_path: Path | None,
) -> None:  # fmt: skip
    """Load the files of studies from ImmPort; each is checked by size and MD5.

    What is there already is kept, what broke off goes on. Needs an account: IMMPORT_USERNAME and IMMPORT_PASSWORD, or
    IMMPORT_TOKEN, in the environment.

    \b
    Example:
      immport-cyto immport download SDY420 --match '*.fcs' --out-dir ImmPort
    """
    if bool(studies) == bool(manifest):
        msg = "give either studies or --manifest"
        raise click.UsageError(msg)
    import pandas as pd

    from immport_cyto import immport, provenance, tables
    from immport_cyto.progress import progress

    manifests = [immport.read_manifest(manifest)] if manifest else []
    client = None if manifest and list_only else immport.connect()
    if client:
        manifests += [
            immport.fetch_manifest(client, study, file_type)
            for study in dict.fromkeys(text.upper() for text in studies)
        ]
    entries = immport.join_entries(immport.select_entries(entries, patterns) for entries in manifests)
    if not entries:
        msg = "the manifest has no such files; check --type and --match"
        raise InputError(msg)
    n_bytes = sum(entry.size or 0 for entry in entries)
    rows: list[dict[str, Any]] = []
    if client and not list_only:
        with progress("download", len(entries), quiet=quiet) as shown:
            for entry in entries:
                try:
                    rows.append(immport.download(client, entry, out_dir, access=access))
                except NetworkError as error:
                    rows.append({"path": entry.path, "study_accession": entry.study, "status": "failed",
                                 "size_bytes": entry.size, "md5": entry.md5, "message": str(error)})  # fmt: skip
                if shown:
                    shown.step(entry.path)
    else:
        rows = [{"path": e.path, "study_accession": e.study, "status": "listed", "size_bytes": e.size, "md5": e.md5}
                for e in entries]  # fmt: skip
    table = tables.conform(pd.DataFrame(rows), immport.DOWNLOADS)
    if report_path:
        tables.write(table, report_path, immport.DOWNLOADS)
    counts = {str(name): int(n) for name, n in table["status"].value_counts().sort_index().items()}
    click.echo(f"{len(entries)} files, {n_bytes} bytes: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    if json_path:
        parameters = {"studies": list(studies), "type": file_type, "match": list(patterns), "access": access}
        record = provenance.record(
            "immport download", inputs=[manifest] if manifest else [], parameters=parameters, counts=counts
        )
        provenance.write(json_path, record)
    failed = table[table["status"] == "failed"]
    if len(failed):
        msg = f"{len(failed)} of {len(entries)} files were not loaded (first: {failed['message'].iloc[0]}); call again"
        raise NetworkError(msg)
