"""What is to be shared: tables, FCS files, packages and reports, looked through for persons and days."""

import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from immport_cyto.exceptions import FCSError, PackageError
from immport_cyto.immport.package import Limits, guarded
from immport_cyto.immport.templates import privacy
from immport_cyto.immport.templates.findings import Finding, Severity
from immport_cyto.immport.templates.members import LIMITS, Member, copy_of, find_members
from immport_cyto.immport.templates.privacy import Identifiers
from immport_cyto.immport.templates.reading import is_template, read_sheet
from immport_cyto.immport.templates.sheets import Sheet
from immport_cyto.immport.values import number

if TYPE_CHECKING:
    import pandas as pd

_OF_SUBJECTS = ("subject", "human_subject", "arm_2_subject", "biosample")
_TABLE_SUFFIXES = (".tsv", ".txt", ".csv")
_CHUNK = 8 << 20
_TEXT_SUFFIXES = (*_TABLE_SUFFIXES, ".json", ".html", ".svg", ".xml", ".wsp", ".yaml", ".yml", ".md", ".log")


@dataclass
class PrivacyReport:
    """What was found in files that are to be shared.

    Attributes
    ----------
    n_files
        Files that were looked into.
    skipped
        Files that are neither text nor FCS.
    n_identifiers, n_short
        IDs that were looked for, and those that are too short for that.
    """

    findings: list[Finding] = field(default_factory=list)
    n_files: int = 0
    skipped: list[str] = field(default_factory=list)
    n_identifiers: int = 0
    n_short: int = 0


# tables ---------------------------------------------------------------------------------------------------------------


def check_tables(frames: "Mapping[str, pd.DataFrame]", identifiers: Collection[str] = ()) -> list[Finding]:
    """Findings on tables that are to be shared, such as those of a report.

    Parameters
    ----------
    frames
        Tables by their file names.
    identifiers
        IDs that users gave to subjects and samples, none of which may be in the tables.

    Returns
    -------
    list of Finding
        In order of the tables, rows and columns; the row is the line of the file, its header being line 1.
    """
    ids = Identifiers()
    ids.add(identifiers, "")
    found: list[Finding] = []
    for name, frame in frames.items():
        known = frame.notna()
        columns = {
            str(c): [str(v) if there else "" for v, there in zip(frame[c], known[c], strict=True)] for c in frame
        }
        found += _check_table(name, columns, ids)
    return found


def summarize(findings: Iterable[Finding]) -> list[str]:
    """One sentence per table, column and rule, for the warnings of a report."""
    counts: dict[tuple[str, str, str], int] = {}
    for finding in findings:
        key = finding.file, finding.column, finding.message
        counts[key] = counts.get(key, 0) + 1
    return [f"{file}, {column}: {count} rows: {text}" for (file, column, text), count in counts.items()]


def _check_table(
    file: str, columns: Mapping[str, Sequence[str]], identifiers: Identifiers, first_row: int = 2
) -> list[Finding]:
    found: list[tuple[int, int, Finding]] = []
    is_package = bool(columns) and all(name == name.upper() for name in columns)
    table = file.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
    of_subjects = not is_package or table in _OF_SUBJECTS
    for place, (name, values) in enumerate(columns.items()):
        rules = list(_rules_of_column(name, of_subjects, identifiers, is_package))
        for rule, wrong in rules:
            bad = {value for value in set(values) if value and wrong(value)}
            found += [
                (index, place, Finding(file, "", index + first_row, name, "error", rule, privacy.TEXTS[rule]))
                for index, value in enumerate(values)
                if bad and value in bad
            ]
        if name in privacy.AGE_COLUMNS or name in ("age_years", "AGE_YEARS"):
            units = columns.get(privacy.AGE_COLUMNS.get(name, ""), ["Years"] * len(values))
            found += [
                (
                    index,
                    place,
                    Finding(file, "", index + first_row, name, "error", privacy.AGE, privacy.TEXTS[privacy.AGE]),
                )
                for index, (value, unit) in enumerate(zip(values, units, strict=True))
                if privacy.is_too_old(value, unit)
            ]
    return [finding for *_, finding in sorted(found, key=lambda item: item[:2])]


def _rules_of_column(name: str, of_subjects: bool, identifiers: Identifiers, is_package: bool) -> Iterator[tuple]:
    lower = name.lower()
    yield privacy.IDENTIFIER, identifiers.are_in
    if lower == "fcs_header_text":
        yield privacy.FCS, _header_is_personal
        return
    if lower in ("file_name", "original_file_name", "fcs_file_name") or (
        is_package and lower == "name" and not of_subjects
    ):
        yield privacy.FILE_NAME, privacy.file_has_date
        return
    if not of_subjects or lower.endswith(("_accession", "_id")):
        return
    if "location" in lower and "finding" not in lower:
        yield privacy.LOCATION, privacy.is_below_state
    yield privacy.DATE, _is_dated_text


def _header_is_personal(text: str) -> bool:
    """Whether the keywords of a file, as ImmPort lists them (``KEY=value|KEY=value``), point to a person or a day."""
    from immport_cyto.fcs import personal

    pairs = (pair.partition("=") for pair in text.split("|"))
    return any(
        not personal.is_clean(value)
        and personal.kind_of(name.strip().upper()) in personal.BLANKED | set(personal.CALENDARS)
        for name, _, value in pairs
    )


def _is_dated_text(text: str) -> bool:
    return number(text) is None and privacy.has_date(text)


# files ----------------------------------------------------------------------------------------------------------------


def check_fcs(members: Iterable[Member], *, severity: Severity = "error") -> list[Finding]:
    """Personal keywords of FCS files, by the check of ``fcs deidentify``; an unreadable file is an error."""
    from immport_cyto.fcs.deidentify import plan

    found: list[Finding] = []
    with TemporaryDirectory() as folder:
        for member in members:
            try:
                plans = plan({member.base: copy_of(member, Path(folder))})
            except FCSError as error:
                reason = str(error).rsplit("/", 1)[-1]
                found.append(Finding(member.name, "", None, "", "error", "fcs-unreadable", f"not readable: {reason}"))
                continue
            for change in plans[0].changes:
                if change.segment == "file name":
                    text = privacy.TEXTS[privacy.FILE_NAME]
                    found.append(Finding(member.name, "", None, "", severity, privacy.FILE_NAME, text))
                    continue
                where = change.keyword or change.segment
                text = f"the value points to a person or a day ({change.kind}); blank it with fcs deidentify"
                found.append(Finding(member.name, "", None, where, severity, privacy.FCS, text))
    return found


def check_privacy(
    paths: Iterable[Path | str] | Path | str,
    *,
    identifiers: Iterable[Path | str] | Path | str = (),
    limits: Limits = LIMITS,
) -> PrivacyReport:
    """What in files that are to be shared points to a person or a day.

    Parameters
    ----------
    paths
        Folders, zips and files: upload templates, Tab packages, tables, FCS files, and any other text.
    identifiers
        Upload packages whose user-defined IDs must not stand anywhere in `paths`. IDs of templates in `paths`
        themselves are looked for in any case.

    Raises
    ------
    PackageError
        A path is not there, an archive must not be trusted, or `identifiers` hold no IDs.
    """
    members = find_members([paths] if isinstance(paths, (str, Path)) else list(paths), limits)
    given = [identifiers] if isinstance(identifiers, (str, Path)) else list(identifiers)
    ids = Identifiers()
    for member in find_members(given, limits).files if given else []:
        _collect_member(member, ids)
    if given and not ids.whole and not ids.n_short:
        names = ", ".join(Path(path).name for path in given)
        msg = f"{names}: no user-defined IDs in it, so nothing could be looked for; give the package made for upload"
        raise PackageError(msg)
    sheets = {member.name: read_sheet(member) for member in members.files if is_template(member)}
    for sheet in sheets.values():
        privacy.collect(sheet, ids)
    report = PrivacyReport(n_identifiers=len(ids.whole), n_short=ids.n_short)
    for member in members.files:
        found = _check_member(member, sheets.get(member.name), ids)
        if found is None:
            report.skipped.append(member.name)
        else:
            report.n_files += 1
            report.findings += found
    return report


def _check_member(member: Member, sheet: Sheet | None, identifiers: Identifiers) -> list[Finding] | None:
    """Findings on one file; None where it is neither text nor FCS."""
    if sheet:
        found: list[Finding] = []
        for grid in sheet.grids:
            placed = sorted(privacy.check_grid(sheet, grid, identifiers, for_upload=False), key=lambda item: item[:3])
            found += [finding for *_, finding in placed]
        return found
    if member.base.lower().endswith((".fcs", ".fcs.gz")):
        return check_fcs([member])
    if member.base.lower().endswith(_TEXT_SUFFIXES):
        return _check_text(member, identifiers)
    return None


def _collect_member(member: Member, identifiers: Identifiers) -> None:
    """IDs of a template, or of a table with a column of user-defined IDs."""
    if is_template(member):
        privacy.collect(read_sheet(member), identifiers)
        return
    if not member.base.lower().endswith(_TABLE_SUFFIXES):
        return
    for _, lines, header in _chunks(member):
        for name, values in _columns_of(header, lines).items():
            if name.upper().replace(" ", "_").endswith("USER_DEFINED_ID"):
                identifiers.add(values, member.base.rsplit(".", 1)[0].lower())


def _chunks(member: Member) -> Iterator[tuple[int, list[str], list[str]]]:
    """Lines of a text, some at a time, with the number of the first and the header; the header is in none of them.

    The header is empty where the text is no table with tabs; its first line is in the first chunk then.
    """
    with guarded(member.name), member.opener() as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace")
        first = text.readline()
        names = first.rstrip("\n").split("\t")
        is_table = len(set(names)) == len(names) > 1 and member.base.lower().endswith(_TABLE_SUFFIXES)
        header = names if is_table else []
        row, lines = (2, []) if is_table else (1, [first])
        while lines or (lines := text.readlines(_CHUNK)):
            yield row, [line.rstrip("\n") for line in lines], header
            row += len(lines)
            lines = []


def _columns_of(header: Sequence[str], lines: Sequence[str]) -> dict[str, list[str]]:
    """Columns of a part of a table; cells that are missing at the end of a line are empty."""
    width = len(header)
    rows = [line.split("\t") for line in lines]
    rows = [row if len(row) >= width else row + [""] * (width - len(row)) for row in rows]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _check_text(member: Member, identifiers: Identifiers) -> list[Finding]:
    found: list[Finding] = []
    text = privacy.TEXTS[privacy.IDENTIFIER]
    for start, lines, header in _chunks(member):
        if header:
            found += _check_table(member.name, _columns_of(header, lines), identifiers, start)
            continue
        found += [
            Finding(member.name, "", row, "", "error", privacy.IDENTIFIER, text)
            for row, line in enumerate(lines, start)
            if identifiers.are_in(line)
        ]
    return found
