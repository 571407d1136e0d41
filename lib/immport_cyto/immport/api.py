"""Saved responses of ImmPort's query API as a source: ``/result/filePath`` and ``/result/fcsAnalyzed``, JSON or TSV.

A row of either is flat: the file or the population result, with its expsample, biosample, visit, subject, age and arm.
So it has what a Subject_2 table has, under names such as ``plannedVisitAccession``. A page that was fetched twice
(sources disagree whether pages count from 0 or 1) changes nothing, since all things have accessions.
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immport_cyto.exceptions import PackageError
from immport_cyto.immport.aliases import POPULATION_RESULT, Source
from immport_cyto.immport.package import Limits, PackageSource

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MARK_OF_RESULTS = "POPULATION_NAME_REPORTED"
_ROWS_IN = ("content", "data", "results", "items")
_JSON_BYTES = 1 << 30


def find_response(path: Path, limits: Limits) -> "ApiSource | None":
    """The saved response at `path`; None if it is something else.

    Raises
    ------
    PackageError
        JSON that is damaged, too large, or no list of rows of these two endpoints.
    """
    with path.open("rb") as stream:
        start = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in (b"[", b"{"):
        return ApiSource(path.name, "api", "", {}, [], path, limits, is_whole_file=True)
    names = [_upper(name) for name in start.split(b"\n")[0].decode("utf-8", errors="replace").strip().split("\t")]
    camel = b"studyAccession" in start
    if camel and (_MARK_OF_RESULTS in names or "FILE_NAME" in names):
        return ApiSource(path.name, "api", "", {}, [], path, limits, is_whole_file=True)
    return None


@dataclass
class ApiSource(PackageSource):
    """A saved response; its rows are given twice, as a Subject_2 table and as population results."""

    def rows(self, source: Source, findings: list[str]) -> Iterator[tuple[str, ...]]:
        """Rows in the order of ``source.columns``; see :meth:`PackageSource.rows`."""
        seen: set[str] = set()
        n_other = 0
        for row in self._records():
            if not seen:
                self._check(row)
            seen |= row.keys()
            if source is POPULATION_RESULT:
                if _MARK_OF_RESULTS in row:
                    row.setdefault("RESULT_ID", "")
                    row["RESULT_ID"] = row["RESULT_ID"] or _result_id(row)
                    yield _cells(row, source)
            elif row.get("SOURCE_TYPE", "EXPSAMPLE").upper() == "EXPSAMPLE":
                yield _cells(row, source)
            else:
                n_other += 1
        if not seen:
            msg = f"{self.name}: the response holds no rows; ask the API for a study that has cytometry results"
            raise PackageError(msg)
        self.absent[source.name] = frozenset(column.name for column in source.columns if seen.isdisjoint(column.names))
        if n_other:
            findings.append(f"{self.name}: {n_other} files belong to no expsample and are left out")

    def _check(self, row: Mapping[str, str]) -> None:
        for name in ("STUDY_ACCESSION", "SUBJECT_ACCESSION"):
            if name not in row:
                found = ", ".join(list(row)[:6])
                msg = f"{self.name}: no {name.lower()} in the response (found: {found}); save filePath or fcsAnalyzed"
                raise PackageError(msg)
        if _MARK_OF_RESULTS not in row and "FILE_NAME" not in row:
            msg = f"{self.name}: rows of neither files nor population results; save filePath or fcsAnalyzed"
            raise PackageError(msg)

    def _records(self) -> Iterator[dict[str, str]]:
        """Rows with names as in the tables of a package, and text as values."""
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            if stream.read(4096).lstrip()[:1] in ("[", "{"):
                for row in self._json():
                    yield {_upper(name): _text(value) for name, value in row.items()}
                return
            stream.seek(0)
            reader = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            names = [_upper(name) for name in next(reader, [])]
            for cells in reader:
                if cells:
                    padded = [*cells, *[""] * (len(names) - len(cells))]
                    yield {
                        name: "" if cell == "null" else cell
                        for name, cell in zip(names, padded[: len(names)], strict=True)
                    }

    def _json(self) -> list[dict[str, Any]]:
        if self.path.stat().st_size > min(_JSON_BYTES, self.limits.table_bytes):
            msg = f"{self.name}: a JSON response of more than 1 GiB; save it with format=tsv, or in parts"
            raise PackageError(msg)
        try:
            found = json.loads(self.path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            msg = f"{self.name}: is no whole JSON ({str(error)[:80]}); save the response again"
            raise PackageError(msg) from error
        if isinstance(found, dict):
            found = next((found[name] for name in _ROWS_IN if isinstance(found.get(name), list)), None)
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            msg = f"{self.name}: the JSON is no list of rows; save the response of filePath or fcsAnalyzed as it is"
            raise PackageError(msg)
        return found


def _text(value: Any) -> str:
    """A value of JSON as the tables of a package write it: 154.0 is 154."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _upper(name: str) -> str:
    """``plannedVisitAccession`` as ``PLANNED_VISIT_ACCESSION``."""
    return re.sub(r"\s+", "_", _CAMEL.sub("_", name.strip())).upper()


def _cells(row: Mapping[str, str], source: Source) -> tuple[str, ...]:
    return tuple(next((row[name] for name in column.names if name in row), "") for column in source.columns)


def _result_id(row: Mapping[str, str]) -> str:
    """A stable number for a result that comes without one."""
    text = "\t".join(f"{name}={row[name]}" for name in sorted(row) if name != "RESULT_ID")
    return str(-1 - (int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2))
