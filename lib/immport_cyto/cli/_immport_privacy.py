"""``immport-cyto immport privacy``: look for persons and days in what is to be shared."""

from dataclasses import asdict
from pathlib import Path

import click

from immport_cyto.cli._common import counted
from immport_cyto.cli._immport_validate import place, show
from immport_cyto.exceptions import PackageError

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--identifiers", "identifiers", metavar="PACKAGE", multiple=True, type=click.Path(path_type=Path),
    help="Upload package whose user-defined IDs must not stand anywhere in PATH; repeatable.",
)  # fmt: skip
@click.option("--out", type=_FILE, help="Table of all findings.")
@click.option("--json", "json_path", type=_FILE, help="The findings as JSON, with inputs, versions and counts.")
def privacy(paths: tuple[Path, ...], identifiers: tuple[Path, ...], out: Path | None, json_path: Path | None) -> None:
    """Look for what points to a person or a day; exit with 1 where something is found.

    PATH is what is to be shared: upload templates, Tab packages, tables and reports of this program, FCS files, zips or
    folders of them. Found are dates of subjects and biosamples, ages above 89, places below a state, IDs that users
    defined, and personal keywords of FCS files. Findings name file, row, column and rule, never the value.

    \b
    Example:
      immport-cyto immport privacy results/ --identifiers my-upload.zip --out findings.tsv
    """
    from immport_cyto import provenance, tables
    from immport_cyto.immport import templates
    from immport_cyto.immport.templates.findings import to_frame

    report = templates.check_privacy(paths, identifiers=identifiers)
    if out:
        tables.write(to_frame(report.findings), out, templates.FINDINGS)
    counts = {
        "files": report.n_files,
        "files_not_looked_into": len(report.skipped),
        "identifiers": report.n_identifiers,
        "identifiers_too_short": report.n_short,
        "findings": len(report.findings),
    }
    if json_path:
        entry = provenance.record(
            "immport privacy",
            inputs=[*paths, *identifiers],
            counts=counts,
            extra={"findings": [asdict(f) for f in report.findings], "files_not_looked_into": report.skipped},
        )
        provenance.write(json_path, entry)
    show(report.findings)
    for name in report.skipped[:5]:
        click.echo(f"immport-cyto: warning: {name}: not looked into, it is neither text nor FCS", err=True)
    if report.n_short:
        text = f"{report.n_short} IDs are single characters or short numbers, which cannot be told from other text"
        click.echo(f"immport-cyto: warning: {text}; they were not looked for", err=True)
    click.echo(
        f"{counted(counts['files'], 'file')}, {counted(counts['identifiers'], 'ID')} looked for: "
        f"{counted(counts['findings'], 'finding')}"
    )
    if report.findings:
        first = report.findings[0]
        msg = (
            f"{first.file}: {counted(len(report.findings), 'finding')}, the first {place(first)}: {first.message}; "
            "do not share before they are gone"
        )
        raise PackageError(msg)
