"""``immport-cyto immport validate``: check an upload package without ImmPort."""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from immport_cyto.cli._common import counted
from immport_cyto.exceptions import PackageError

if TYPE_CHECKING:
    from immport_cyto.immport.templates import Finding

_FILE = click.Path(path_type=Path, dir_okay=False)
_SHOWN = 20


@click.command()
@click.argument("packages", metavar="PACKAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=_FILE, help="Table of all findings, in order of files and rows.")
@click.option("--html", "html_path", type=_FILE, help="The findings as a page.")
@click.option("--json", "json_path", type=_FILE, help="The findings as JSON, with inputs, versions and counts.")
@click.option(
    "--complete", is_flag=True, help="Nothing of the package is in ImmPort yet: every ID must be defined in it."
)
@click.option("--no-files", is_flag=True, help="Do not look for the files that the templates name.")
@click.option("--no-privacy", is_flag=True, help="Do not look for persons, dates, ages and places.")
def validate(
    packages: tuple[Path, ...], out: Path | None, html_path: Path | None, json_path: Path | None, complete: bool,
    no_files: bool, no_privacy: bool,
) -> None:  # fmt: skip
    """Check an upload package (folder, zip, or template files) without ImmPort; exit with 1 where it has errors.

    Templates may be tab-separated text, text with commas, or JSON, of any schema version. All findings are listed, in
    loading order: what comes first is often the cause of what follows. Private: findings quote the package.

    \b
    Example:
      immport-cyto immport validate package.zip --out findings.tsv --html findings.html
    """
    from immport_cyto import provenance, tables
    from immport_cyto.files import write_text
    from immport_cyto.immport import templates
    from immport_cyto.immport.templates.page import render

    report = templates.validate(packages, complete=complete, look_for_files=not no_files, privacy=not no_privacy)
    if out:
        tables.write(report.frame(), out, templates.FINDINGS)
    if html_path:
        write_text(html_path, render(report))
    counts = {
        "templates": len(report.files),
        "other_files": report.n_other,
        "rows": sum(file.rows for file in report.files),
        "errors": len(report.errors),
        "warnings": len(report.warnings),
        "accessions_not_checked": report.n_accessions,
    }
    if json_path:
        entry = provenance.record(
            "immport validate",
            inputs=packages,
            parameters={"complete": complete, "files": not no_files, "privacy": not no_privacy},
            counts=counts,
            extra={
                "files": [asdict(file) for file in report.files],
                "findings": [asdict(finding) for finding in report.findings],
            },
        )
        provenance.write(json_path, entry)
    show(report.findings)
    click.echo(
        f"{counted(counts['templates'], 'template')} with {counted(counts['rows'], 'row')}, "
        f"{counted(counts['other_files'], 'other file')}: "
        f"{counted(counts['errors'], 'error')}, {counted(counts['warnings'], 'warning')}"
    )
    if report.errors:
        first = report.errors[0]
        msg = (
            f"{first.file}: {counted(len(report.errors), 'error')} in the package, the first {place(first)}: "
            f"{first.message}; correct the package and validate it again"
        )
        raise PackageError(msg)


def show(findings: "list[Finding]") -> None:
    """How many findings of each rule there are, in the order of their first; then the first findings.

    Findings that differ in their rows only are one line.
    """
    counts = Counter((finding.severity, finding.rule) for finding in findings)
    files: dict[tuple[str, str], set[str]] = {}
    for finding in findings:
        files.setdefault((finding.severity, finding.rule), set()).add(finding.file)
    for (severity, rule), count in counts.items():
        names = sorted(files[severity, rule])
        where = names[0] if len(names) == 1 else f"{len(names)} files"
        click.echo(f"{counted(count, severity)}: {rule}, in {where}")
    alike = Counter(replace(finding, row=None) for finding in findings)
    told: set[Finding] = set()
    for finding in findings:
        same = replace(finding, row=None)
        if same in told or len(told) == _SHOWN:
            continue
        told.add(same)
        hint = f" [{finding.suggestion}]" if finding.suggestion else ""
        more = f" (and {counted(alike[same] - 1, 'more row')})" if alike[same] > 1 else ""
        click.echo(
            f"{finding.severity} ({finding.rule}): {finding.file}: {place(finding)}{more}: {finding.message}{hint}"
        )
    rest = len(findings) - sum(alike[same] for same in told)
    if rest:
        click.echo(f"... and {rest:,} more; --out writes all")


def place(finding: "Finding") -> str:
    """Block, row and column of a finding."""
    row = f"row {finding.row}" if finding.row is not None else ""
    return ", ".join(part for part in (finding.block, row, finding.column) if part) or "the file"
