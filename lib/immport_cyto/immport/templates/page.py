"""The page of ``immport validate``: one self-contained HTML file, all text escaped."""

from collections import Counter
from collections.abc import Sequence
from importlib.resources import files as resources

from immport_cyto import __version__
from immport_cyto.immport.templates.findings import Finding
from immport_cyto.immport.templates.validation import Report

MOST_PER_FILE = 500
"""Findings of one file that the page shows; the table holds all."""


def render(report: Report) -> str:
    """HTML of what validation found: the files, what is wrong most often, and the findings of each file in order."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["count"] = lambda value: f"{int(value):,}".replace(",", "\u202f")
    template = resources("immport_cyto.immport.templates").joinpath("pages", "validate.html.j2")
    by_file: dict[str, list[Finding]] = {}
    for finding in report.findings:
        by_file.setdefault(finding.file, []).append(finding)
    known = {one.file for one in report.files}
    others = [finding for finding in report.findings if finding.file not in known]
    return environment.from_string(template.read_text(encoding="utf-8")).render(
        version=__version__,
        files=report.files,
        n_other=report.n_other,
        n_errors=len(report.errors),
        n_warnings=len(report.warnings),
        n_accessions=report.n_accessions,
        counts={name: Counter(f.severity for f in found) for name, found in by_file.items()},
        sections=[
            (one.file, by_file[one.file][:MOST_PER_FILE], max(0, len(by_file[one.file]) - MOST_PER_FILE))
            for one in report.files
            if one.file in by_file
        ],
        others=others[:MOST_PER_FILE],
        more_others=max(0, len(others) - MOST_PER_FILE),
        frequent=_frequent(report.findings),
    )


def _frequent(findings: Sequence[Finding]) -> list[tuple[str, str, str, int, Finding]]:
    """Rule, file, column and number of the findings that stand there more than once, errors and many first."""
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.rule, finding.file, finding.column), []).append(finding)
    many = [(key, found) for key, found in groups.items() if len(found) > 1]
    many.sort(key=lambda item: (item[0][0] != "error", -len(item[1])))
    return [(rule, file, column, len(found), found[0]) for (_, rule, file, column), found in many[:20]]
