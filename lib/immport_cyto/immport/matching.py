"""Which result file of the store a given FCS file is, by the first rule that tells.

The rules, in order:

``file_info_id``
    The number before the suffix is the id of a file of the store: ``11059_cells_found.573523.fcs``. Where the name is
    otherwise unlike the one in ImmPort, a later rule that fits goes first, since ``day.2009.fcs`` may be a date.
``stored_name``
    The name is the one in ImmPort's ``ResultFiles``, and only one file has it.
``original_name_size``
    The name is the one under which the file was uploaded, and the size in bytes is the same.
``original_name``
    The same, where the size is not known on one side and one file only has the name.
``keyword``
    The file says so itself: ``ICYTO_FILE`` (written by this project), ``GUID``, or ``$FIL`` with the same ``$TOT``.

Names are compared without folder, ``.fcs`` and ``.gz``, since Galaxy's element identifiers often lack them.
"""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from immport_cyto.exceptions import InputError
from immport_cyto.immport.values import id_in_name, name_key

_ALIKE = 0.5
_LINKED_ROLES = ("sample", "converted")
_COLUMNS = "file_info_id, name, name_key, original_key, role, size_bytes, study_accession"


@dataclass(frozen=True)
class Candidate:
    """A file of the store."""

    file_info_id: int
    name: str
    name_key: str
    original_key: str
    role: str
    size_bytes: int | None
    study_accession: str | None


@dataclass(frozen=True)
class Match:
    """What a given file is, or why it is nothing in the store."""

    file_info_id: int | None
    rule: str = ""
    reason: str = ""
    note: str = ""


class Matcher:
    """Look up files of a store.

    Parameters
    ----------
    connection
        The store.
    keywords
        Reads the keywords of an FCS file (keys in upper case); by default with ``immport_cyto.fcs``.
    """

    def __init__(
        self, connection: sqlite3.Connection, keywords: Callable[[Path], dict[str, str]] | None = None
    ) -> None:
        self._connection = connection
        self._keywords = keywords or read_keywords

    def match(self, name: str, path: Path | None = None) -> Match:
        """Apply the rules to one file; `path` allows the size and the keywords to be used."""
        size = _size(path)
        by_id = self._by_id(name)
        if by_id is not None and by_id.role in _LINKED_ROLES and _alike(name, by_id):
            return Match(by_id.file_info_id, "file_info_id")
        reasons: list[str] = []
        match = self._by_name(name, size, reasons)
        if match is None and path is not None:
            match = self._by_keywords(path, reasons)
        if match is not None:
            return match
        if by_id is not None:
            if by_id.role in _LINKED_ROLES:
                note = f"{name} is linked by its file_info_id, though ImmPort calls that file {by_id.name}"
                return Match(by_id.file_info_id, "file_info_id", note=note)
            reasons.insert(0, _other_role(by_id))
        return Match(None, reason=reasons[0] if reasons else "no file of the metadata has this name or this id")

    def _query(self, where: str, value: object) -> list[Candidate]:
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM file WHERE {where} ORDER BY file_info_id", (value,))  # noqa: S608
        return [Candidate(*row) for row in rows]

    def _by_id(self, name: str) -> Candidate | None:
        number = id_in_name(name)
        found = self._query("file_info_id = ?", number) if number is not None else []
        return found[0] if found else None

    def _by_name(self, name: str, size: int | None, reasons: list[str]) -> Match | None:
        key = name_key(name)
        stored = self._query("name_key = ?", key)
        results = [c for c in stored if c.role in _LINKED_ROLES]
        exact = [c for c in results if c.name == name] or results
        if len(exact) == 1:
            return Match(exact[0].file_info_id, "stored_name")
        original = self._query("original_key = ?", key)
        results = exact or [c for c in original if c.role in _LINKED_ROLES]
        sized = [c for c in results if size is not None and c.size_bytes == size]
        if len(sized) == 1:
            return Match(sized[0].file_info_id, "original_name_size")
        unsized = [c for c in results if size is None or c.size_bytes is None]
        if len(results) == 1 and unsized:
            return Match(results[0].file_info_id, "original_name")
        if len(results) == 1:
            reasons.append(
                f"{results[0].name} of {results[0].study_accession} has the name but not the size "
                f"({results[0].size_bytes} bytes there, {size} here)"
            )
        elif results:
            named = ", ".join(c.name for c in results[:3])
            more = f" and {len(results) - 3} more" if len(results) > 3 else ""
            reasons.append(f"{len(results)} result files have this name ({named}{more}); give it with its file_info_id")
        elif stored or original:
            reasons.append(_other_role((stored or original)[0]))
        return None

    def _by_keywords(self, path: Path, reasons: list[str]) -> Match | None:
        try:
            keywords = self._keywords(path)
        except InputError as error:
            reasons.append(f"no file of the metadata has this name, and its keywords cannot be read ({error})")
            return None
        source = keywords.get("ICYTO_FILE", "").strip()
        if source:
            match = self.match(source)
            if match.file_info_id is not None:
                return Match(match.file_info_id, "keyword", note=match.note)
        guid = keywords.get("GUID", "").strip()
        if guid:
            found = self._query("file_info_id IN (SELECT file_info_id FROM fcs WHERE guid = ?)", guid)
            results = [c for c in found if c.role in _LINKED_ROLES]
            if len(results) == 1:
                return Match(results[0].file_info_id, "keyword")
        fil = name_key(keywords.get("$FIL", ""))
        if not fil:
            return None
        found = self._query(
            "original_key = ?1 OR file_info_id IN (SELECT file_info_id FROM fcs WHERE fil_key = ?1)", fil
        )
        total = keywords.get("$TOT", "").strip()
        results = [c for c in found if c.role in _LINKED_ROLES and self._n_events(c.file_info_id) in (None, total)]
        if len(results) == 1:
            return Match(results[0].file_info_id, "keyword")
        if results:
            reasons.append(f"{len(results)} result files have its $FIL {keywords['$FIL'].strip()!r}")
        return None

    def _n_events(self, file_info_id: int) -> str | None:
        row = self._connection.execute("SELECT n_events FROM fcs WHERE file_info_id = ?", (file_info_id,)).fetchone()
        return None if row is None or row[0] is None else str(row[0])


def read_keywords(path: Path) -> dict[str, str]:
    """Keywords of an FCS file, keys in upper case."""
    from immport_cyto import fcs

    return dict(fcs.open(path, partial=True).keywords)


def _size(path: Path | None) -> int | None:
    """Bytes of the file, or None where they tell nothing (no path, compressed)."""
    if path is None or path.suffix.lower() == ".gz" or not path.is_file():
        return None
    with path.open("rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    return None if compressed else path.stat().st_size


def _alike(name: str, candidate: Candidate) -> bool:
    key = name_key(name)
    if key == candidate.name_key:
        return True
    return SequenceMatcher(None, key, candidate.name_key, autojunk=False).ratio() >= _ALIKE


def _other_role(candidate: Candidate) -> str:
    what = {"control": "a compensation or control file", "text": "a text file", "workspace": "a workspace"}
    return f"ImmPort lists it as {what.get(candidate.role, 'another kind of file')}, not as an FCS result file"
