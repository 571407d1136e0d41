"""A store of ImmPort packages: load packages into it, link FCS files to it."""

import json
import sqlite3
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from immport_cyto.exceptions import LinkError, PackageError
from immport_cyto.immport.aliases import SUBJECT_2
from immport_cyto.immport.database import connect_store
from immport_cyto.immport.linking import sample_rows
from immport_cyto.immport.loading import LoadReport, load_source
from immport_cyto.immport.matching import Matcher
from immport_cyto.immport.package import Limits, find_sources
from immport_cyto.tables import SAMPLES, Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.immport.results import Results

FILE_WITHOUT_METADATA = "file without metadata"
METADATA_WITHOUT_FILE = "metadata without file"

ORPHANS = Table(
    "orphans.tsv",
    "files without metadata, and result files of the metadata without a file",
    (
        Column("kind", "text", f"{FILE_WITHOUT_METADATA!r} or {METADATA_WITHOUT_FILE!r}"),
        Column("file_name", "text", "name of the file given, or the name in ImmPort"),
        Column("study_accession", "text", "ImmPort study, where known", required=False),
        Column("reason", "text", "why it was not linked"),
    ),
    ("kind", "file_name", "study_accession"),
)


def open_store(path: Path | str = ":memory:") -> "Store":
    """Open a store, or make an empty one where there is none.

    Parameters
    ----------
    path
        The SQLite file, or ``":memory:"``.

    Raises
    ------
    InputError
        The file is not a store, or one of a newer version.
    """
    return Store(connect_store(path))


class Store:
    """What ImmPort says about samples and files; made by :func:`open_store`.

    Attributes
    ----------
    connection
        The SQLite connection, for queries of your own.
    findings
        Oddities of the last :meth:`link`, one sentence each.
    load_findings
        Oddities of what was loaded since the store was opened, each once.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._finalizer = weakref.finalize(self, connection.close)  # a store that goes out of use closes its file
        self.findings: list[str] = []
        self.load_findings: list[str] = []
        self._unlinked: list[tuple[str, str, str, str]] = []
        self._linked: set[int] = set()
        self._loaded: set[str] = set()
        self._listed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._finalizer()

    def load(self, packages: Iterable[Path | str] | Path | str, *, limits: Limits | None = None) -> list[LoadReport]:
        """Load packages; the same bytes twice change nothing, a newer release replaces an older one.

        Parameters
        ----------
        packages
            Tab packages (zip or folder), Subject_2 tables, or folders of them.
        limits
            See :class:`immport_cyto.immport.Limits`.

        Returns
        -------
        list of LoadReport
            One per study of each source, in the order given.

        Raises
        ------
        PackageError
            A package that cannot be loaded; what came before it is in the store.
        """
        given = [packages] if isinstance(packages, (str, Path)) else list(packages)
        reports: list[LoadReport] = []
        empty: list[str] = []
        for path in given:
            sources = find_sources(path, limits=limits)
            for source in sources:
                if source.kind == "subject_2" and next(source.rows(SUBJECT_2, []), None) is None:
                    text = f"{source.name}: has a header and no rows, so it links no file"
                    if len(sources) == 1:
                        msg = f"{text}; get the table from ImmPort again"
                        raise PackageError(msg)
                    empty.append(f"{text}; left out")
                    continue
                reports += load_source(self.connection, source)
        found = [*self.load_findings, *empty, *(finding for report in reports for finding in report.findings)]
        self.load_findings = list(dict.fromkeys(found))
        self._loaded.update(report.study_accession for report in reports)
        return reports

    def studies(self) -> "pd.DataFrame":
        """One row per study: accession, title, release, kind of source, and counts."""
        import pandas as pd

        return pd.read_sql_query(
            "SELECT s.study_accession, coalesce(s.title, '') AS title, s.release, s.kind, "
            "(SELECT count(DISTINCT subject_accession) FROM arm_subject a "
            "WHERE a.study_accession = s.study_accession) AS n_subjects, "
            "(SELECT count(*) FROM biosample b WHERE b.study_accession = s.study_accession) AS n_biosamples, "
            "(SELECT count(*) FROM file f WHERE f.study_accession = s.study_accession AND f.role = 'sample') "
            "AS n_result_files FROM study s ORDER BY length(s.study_accession), s.study_accession",
            self.connection,
        )

    def sources(self) -> list[dict[str, str]]:
        """What was loaded: name, release, checksum and studies of each source, for provenance."""
        rows = self.connection.execute(
            "SELECT name, release, sha256, group_concat(study_accession, ';') FROM (SELECT * FROM source "
            "JOIN study_source USING (source_id) ORDER BY study_accession) GROUP BY source_id ORDER BY name, sha256"
        )
        return [dict(zip(("name", "release", "sha256", "studies"), row, strict=True)) for row in rows]

    def link(self, files: Mapping[str, Path | str] | Iterable[str] | None = None) -> "pd.DataFrame":
        """One row of ``samples.tsv`` per FCS result file, by the rules of :mod:`immport_cyto.immport.matching`.

        Parameters
        ----------
        files
            ``{file name: path}`` (size and keywords can then be used), or names only. None lists all result files of
            the store under the name that they have in ImmPort's ``ResultFiles``.

        Returns
        -------
        pandas.DataFrame
            The contract ``tables.SAMPLES``, in order of ``file_name``: each file that was matched once. What was not
            is in :attr:`orphans`; matched and unmatched files together are the files given.

        Raises
        ------
        LinkError
            Two files are given under one name, or two given files are the same result file.
        """
        import pandas as pd

        self._unlinked, self.findings = [], []
        self._listed = files is None
        if files is None:
            matched = self._all_results()
            n_files = len(matched)
        else:
            matched, n_files = self._match(files)
        linked = sample_rows(self.connection, matched)
        for number in linked.without_sample:
            name, study = self.connection.execute(
                "SELECT name, coalesce(study_accession, '') FROM file WHERE file_info_id = ?", (number,)
            ).fetchone()
            reason = f"ImmPort lists {name} but links it to no sample"
            self._unlinked.append((FILE_WITHOUT_METADATA, matched[number][0], study, reason))
        self.findings += linked.findings
        self._linked = set(matched)
        if len(linked.rows) + len(self._unlinked) != n_files:  # each file is linked or an orphan, once
            msg = f"{n_files} files became {len(linked.rows)} samples and {len(self._unlinked)} orphans"
            raise AssertionError(msg)
        return conform(pd.DataFrame(linked.rows, columns=SAMPLES.column_names), SAMPLES)

    def results(
        self,
        studies: Iterable[str] | None = None,
        *,
        days: tuple[float, float] | None = None,
        visits: Iterable[str] = (),
    ) -> "Results":
        """Population results that ImmPort shares (``fcs_analyzed_result``), ready for ``meta.effects``.

        Parameters
        ----------
        studies
            Accessions; None takes all studies of the store.
        days
            Only samples collected from the first to the second day after the study's time zero, both included;
            ``(0, 0)`` is the baseline of most studies.
        visits
            Only samples of planned visits of these names or accessions.

        Returns
        -------
        Results
            ``populations`` (``tables.RESULTS``) and ``samples`` (``tables.SAMPLES``), both with the expsample's
            accession as ``file_name``, and ``findings``.

        Raises
        ------
        OptionError
            A study that is not in the store, or an empty range of days.
        LinkError
            No results, or none of the days or visits asked for.
        """
        from immport_cyto.immport.results import read_results

        return read_results(self.connection, studies, days=days, visits=visits)

    def search(self, level: str = "studies", **conditions: Any) -> "pd.DataFrame":
        """Find what fits: ``store.search("files", markers=["CD3", "CCR7"], biosample_type="PBMC", age_min=60)``.

        Parameters
        ----------
        level
            What to list: ``studies``, ``samples``, ``files`` (the contract ``tables.SAMPLES`` with `panel_id`, ready
            for the next stages) or ``panels`` (``tables.PANELS``).
        conditions
            Attributes of :class:`immport_cyto.immport.Query`.

        Returns
        -------
        pandas.DataFrame
            A table of :data:`immport_cyto.immport.LEVELS`, in order of accessions; empty where nothing fits.

        Raises
        ------
        OptionError
            An unknown marker, technique or study, or a word that no sample of the store has.
        """
        from immport_cyto.immport.searching import Query, find

        for name in ("markers", "studies"):
            if isinstance(conditions.get(name), str):
                conditions[name] = (conditions[name],)
        return find(self.connection, Query(**conditions), level)

    def reagents(
        self,
        target: str = "",
        *,
        reporter: str = "",
        clone: str = "",
        manufacturer: str = "",
        catalog_number: str = "",
        studies: Iterable[str] = (),
    ) -> "pd.DataFrame":
        """Antibodies and other reagents that samples were stained or treated with, and where: all PE anti-CD25.

        Parameters
        ----------
        target, reporter
            Antigen and fluorochrome or isotope, in any spelling.
        clone, catalog_number
            In any case and punctuation.
        manufacturer
            A part of the name.
        studies
            Used in one of these.

        Returns
        -------
        pandas.DataFrame
            :data:`immport_cyto.immport.REAGENTS`: one row per reagent, sets expanded, with the studies, expsamples,
            FCS result files and panels that used it.

        Raises
        ------
        OptionError
            An unknown target, a study that is not in the store, or a word that no reagent of the store has.
        """
        from immport_cyto.immport.reagents import Wanted, list_reagents

        wanted = Wanted(target, reporter, clone, manufacturer, catalog_number, tuple(studies))
        return list_reagents(self.connection, wanted)

    def domains(self, studies: Iterable[str] | None = None) -> "dict[str, pd.DataFrame]":
        """Studies as SDTM-named domains, as RImmPort gave them: DM, TA, SE, TV, SV, BE, ZT and ZB.

        Parameters
        ----------
        studies
            Accessions; None takes all studies of the store.

        Returns
        -------
        dict of pandas.DataFrame
            Domain to the contract :data:`immport_cyto.immport.DOMAINS` of that name; a domain may have no rows.

        Raises
        ------
        OptionError
            A study that is not in the store.
        """
        from immport_cyto.immport.domains import read_domains

        return read_domains(self.connection, studies)

    @property
    def orphans(self) -> "pd.DataFrame":
        """After :meth:`link`: files without metadata, and result files of the store without a given file.

        The second kind is listed for the studies that were loaded since the store was opened and for those of the
        linked files, not for all others of a large store. Columns: kind, file_name, study_accession, reason.
        """
        import pandas as pd

        rows: list[tuple[Any, ...]] = sorted(self._unlinked, key=lambda row: row[1])
        if not self._listed:
            missing = self.connection.execute(
                "SELECT f.file_info_id, f.name, coalesce(f.study_accession, '') FROM file f "
                "WHERE f.role = 'sample' AND f.study_accession IN ("
                "SELECT value FROM json_each(:studies) UNION SELECT study_accession FROM json_each(:linked) q "
                "CROSS JOIN file ON file_info_id = q.value) ORDER BY f.name",
                {"studies": json.dumps(sorted(self._loaded)), "linked": json.dumps(sorted(self._linked))},
            )
            rows += [
                (METADATA_WITHOUT_FILE, name, study, "no file given is this result file")
                for number, name, study in missing
                if number not in self._linked
            ]
        return pd.DataFrame(rows, columns=ORPHANS.column_names, dtype=object)

    def _all_results(self) -> dict[int, tuple[str, str]]:
        rows = self.connection.execute("SELECT file_info_id, name FROM file WHERE role = 'sample' ORDER BY name")
        matched, seen = {}, set()
        for number, name in rows:
            if name in seen:
                msg = f"two result files of the store are named {name!r}; link files by path, or load one study only"
                raise LinkError(msg)
            seen.add(name)
            matched[number] = (name, "")
        return matched

    def _match(self, files: Mapping[str, Path | str] | Iterable[str]) -> tuple[dict[int, tuple[str, str]], int]:
        given: list[tuple[str, Path | None]]
        if isinstance(files, Mapping):
            given = [(name, Path(path)) for name, path in files.items()]
        else:
            given = [(str(name), None) for name in files]
        names = [name for name, _ in given]
        if len(set(names)) != len(names):
            double = next(name for name in sorted(names) if names.count(name) > 1)
            msg = f"two files are named {double!r}; rename one, results are kept by file name"
            raise LinkError(msg)
        matcher = Matcher(self.connection)
        matched: dict[int, tuple[str, str]] = {}
        for name, path in sorted(given):
            match = matcher.match(name, path)
            if match.file_info_id is None:
                self._unlinked.append((FILE_WITHOUT_METADATA, name, "", match.reason))
                continue
            if match.file_info_id in matched:
                other = matched[match.file_info_id][0]
                msg = (
                    f"{other} and {name} are the same result file (file_info_id {match.file_info_id}); give one of them"
                )
                raise LinkError(msg)
            if match.note:
                self.findings.append(match.note)
            matched[match.file_info_id] = (name, match.rule)
        return matched, len(given)
