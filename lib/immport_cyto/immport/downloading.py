"""Queries, manifests and files from ImmPort: pages without doubles, downloads that go on and are checked.

Sources disagree whether pages count from 0 or from 1, so pages are asked for from 0 on, rows that came before are left
out, and it ends with an empty page or two without anything new; a server that knows no pages is asked three times.

A file is loaded into ``<name>.part``, goes on where it broke off, and gets its name when size and MD5 are those of the
manifest.
"""

import csv
import hashlib
import http.client
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from immport_cyto.exceptions import InputError, NetworkError, OptionError
from immport_cyto.files import atomic_path
from immport_cyto.immport.network import BROKEN, QUERY, Client
from immport_cyto.tables import Column, Table

ENDPOINTS = ("filePath", "fcsAnalyzed")
PAGE_SIZE = 5000
_CHUNK = 1 << 20
_MOST_PAGES = 100_000
_LARGEST_ADDRESS = 1 << 16

DOWNLOADS = Table(
    "downloads.tsv",
    "files of a manifest, and what became of them",
    (
        Column("path", "text", "below the output folder"),
        Column("study_accession", "text", "SDYn", False),
        Column("status", "text", "downloaded, resumed, kept (was there already), failed; or listed (--list-only)"),
        Column("size_bytes", "int", "size in the manifest", False),
        Column("md5", "text", "checksum in the manifest", False),
        Column("message", "text", "why it failed, or what was not checked", False),
    ),
    ("path",),
)


@dataclass(frozen=True)
class Entry:
    """One file of a manifest; a size or checksum that it does not give is None or ``""``."""

    path: str
    uuid: str
    md5: str
    size: int | None
    study: str


def save_query(client: Client, endpoint: str, study: str, out: Path, *, page_size: int = PAGE_SIZE) -> int:
    """Write all rows of a query as a JSON list, as ``immport load`` takes it.

    Parameters
    ----------
    endpoint
        ``filePath`` or ``fcsAnalyzed``.
    study
        Accession.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    NetworkError
        No answer, or one that is no list of rows; nothing is written then.
    """
    n_rows = 0
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write("[")
        for row in pages(client, endpoint, study, page_size=page_size):
            stream.write("," if n_rows else "")
            stream.write("\n" + json.dumps(row, ensure_ascii=False, sort_keys=True))
            n_rows += 1
        stream.write("\n]\n")
        if not n_rows:
            msg = f"{study}: ImmPort gives no rows for {endpoint}; check the accession, or whether the study has any"
            raise NetworkError(msg)
    return n_rows


def pages(client: Client, endpoint: str, study: str, *, page_size: int = PAGE_SIZE) -> Iterator[dict[str, Any]]:
    """Rows of a query, each once."""
    study = _accession(study)
    seen: set[bytes] = set()
    idle = 0
    for number in range(_MOST_PAGES):
        query = urllib.parse.urlencode(
            {"studyAccession": study, "format": "json", "pageNumber": number, "pageSize": page_size}
        )
        rows = _rows(client.json(f"{QUERY}/result/{endpoint}?{query}"), f"{endpoint} of {study}")
        if not rows and number:
            return
        n_before = len(seen)
        for row in rows:
            digest = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).digest()[:16]
            if digest not in seen:
                seen.add(digest)
                yield row
        idle = idle + 1 if len(seen) == n_before else 0
        if idle == 2:
            return


def _rows(answer: Any, what: str) -> list[dict[str, Any]]:
    if isinstance(answer, dict):
        answer = next(
            (answer[name] for name in ("content", "data", "results") if isinstance(answer.get(name), list)), 0
        )
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        msg = f"{what}: the answer of ImmPort is no list of rows; the API may have changed, use saved responses"
        raise NetworkError(msg)
    return answer


def _accession(study: str) -> str:
    """Accession of a study, checked before anything is sent."""
    if not re.fullmatch(r"SDY[0-9]{1,9}", study.strip().upper()):
        msg = f"{study!r} is no study accession; give one such as SDY420"
        raise OptionError(msg)
    return study.strip().upper()


def fetch_manifest(client: Client, study: str, file_type: str = "result_file") -> list[Entry]:
    """Ask ImmPort for the files of a study.

    Parameters
    ----------
    client
        See :class:`immport_cyto.immport.Client`.
    study
        ``SDYn``.
    file_type
        Kind of the files in the manifest, such as ``result_file``; ``all``.

    Returns
    -------
    list of Entry
        In order of their paths.

    Raises
    ------
    NetworkError
        ImmPort refuses, does not answer, or answers with something else.
    OptionError
        `study` is no accession.
    """
    study = _accession(study)
    query = urllib.parse.urlencode({"fileType": file_type, "format": "json"})
    path = f"{QUERY}/api/study/manifest/{urllib.parse.quote(study, safe='')}?{query}"
    return read_entries(_rows(client.json(path), f"manifest of {study}"), study)


def read_manifest(path: Path) -> list[Entry]:
    """A saved manifest, JSON or TSV.

    Raises
    ------
    InputError
        No such file, or one without paths and UUIDs.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows: list[Any]
        if text.lstrip().startswith(("[", "{")):
            rows = _rows(json.loads(text), str(path))
        else:
            rows = list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "neither JSON nor a table in UTF-8"
        msg = f"{path}: cannot be read as a manifest ({reason}); save the answer of ImmPort's manifest again"
        raise InputError(msg) from error
    return read_entries(rows, str(path))


def read_entries(rows: list[dict[str, Any]], source: str) -> list[Entry]:
    """Entries of manifest rows; each path once."""
    found: dict[str, Entry] = {}
    for row in rows:
        plain = {str(name).lower().replace("_", ""): value for name, value in row.items() if name}
        name = str(plain.get("path") or plain.get("filepath") or plain.get("filename") or "")
        uuid = str(plain.get("fileuuid") or plain.get("uuid") or "")
        if not name or not uuid:
            msg = f"{source}: a row of the manifest has no path or no fileUUID; get the manifest from ImmPort again"
            raise InputError(msg)
        size = str(plain.get("filesizebytes") or plain.get("size") or "")
        entry = Entry(
            _safe(name, source), uuid, str(plain.get("generatedmd5") or plain.get("md5") or "").strip().lower(),
            int(size) if size.isdigit() else None, str(plain.get("studyaccession") or ""),
        )  # fmt: skip
        if found.setdefault(entry.path, entry) != entry:
            msg = f"{source}: two files of the manifest have the path {entry.path}; get the manifest from ImmPort again"
            raise InputError(msg)
    return [found[path] for path in sorted(found)]


def join_entries(manifests: Iterable[list[Entry]]) -> list[Entry]:
    """Entries of several manifests that go into one folder, each once.

    Raises
    ------
    InputError
        Two of them would be, or be loaded through, the same file.
    """
    found: dict[str, Entry] = {}
    for entry in (entry for entries in manifests for entry in entries):
        if (other := found.setdefault(entry.path, entry)) != entry:
            msg = (
                f"{entry.path}: files of {other.study or 'one manifest'} and {entry.study or 'another'} have this "
                "path; download each study into a folder of its own"
            )
            raise InputError(msg)
    for path, entry in found.items():
        if path.removesuffix(".part") != path and path.removesuffix(".part") in found:
            msg = f"{entry.path}: has the name under which {entry.path[:-5]} is loaded; choose one of them by --match"
            raise InputError(msg)
    return list(found.values())


def _safe(name: str, source: str) -> str:
    """A path of a manifest below the output folder."""
    parts = PurePosixPath(name.replace("\\", "/").lstrip("/")).parts
    if not parts or ".." in parts or ":" in parts[0] or any(ord(letter) < 32 for letter in name):
        msg = f"{source}: the manifest holds the unsafe path {name!r}; not loaded, get the manifest from ImmPort again"
        raise InputError(msg)
    return "/".join(parts)


def select_entries(entries: list[Entry], patterns: tuple[str, ...]) -> list[Entry]:
    """Entries whose path or file name fits one of the patterns, case ignored; all without patterns."""
    if not patterns:
        return entries
    wanted = [pattern.lower() for pattern in patterns]
    return [
        entry for entry in entries
        if any(fnmatchcase(text, pattern) for pattern in wanted
               for text in (entry.path.lower(), entry.path.lower().rpartition("/")[2]))
    ]  # fmt: skip


def download(client: Client, entry: Entry, folder: Path, *, access: str = "s3") -> dict[str, Any]:
    """Load one file; give its row of :data:`DOWNLOADS`.

    Raises
    ------
    NetworkError
        It could not be loaded whole; what came is kept in ``<name>.part`` and the next call goes on from there,
        unless its checksum is wrong.
    """
    target = folder / entry.path
    part = target.with_name(f"{target.name}.part")
    row: dict[str, Any] = {
        "path": entry.path, "study_accession": entry.study, "size_bytes": entry.size, "md5": entry.md5, "message": "",
    }  # fmt: skip
    if not entry.md5:
        checked = "only the size is checked" if entry.size is not None else "nor a size; nothing is checked"
        row["message"] = f"the manifest gives no MD5{';' if entry.size is not None else ''} {checked}"
    if target.is_file() and not _wrong(target, entry):
        return row | {"status": "kept"}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        resumed = part.is_file() and part.stat().st_size > 0
        for last in (False, True):
            _fill(client, entry, part, access)
            problem = _wrong(part, entry)
            if not problem:
                part.replace(target)
                return row | {"status": "resumed" if resumed else "downloaded"}
            part.unlink()
            resumed = False
            if last:
                msg = f"{entry.path}: {problem} after loading it twice; nothing is kept of it, tell ImmPort"
                raise NetworkError(msg)
    except OSError as error:
        msg = f"{target}: cannot be written ({error.strerror or error}); check space and permissions"
        raise InputError(msg) from error
    raise AssertionError


def _wrong(path: Path, entry: Entry) -> str:
    size = path.stat().st_size
    if entry.size is not None and size != entry.size:
        return f"has {size} bytes and not {entry.size} as in the manifest"
    if entry.md5:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != entry.md5:
            return f"has the MD5 {found} and not {entry.md5} as in the manifest"
    return ""


def _fill(client: Client, entry: Entry, part: Path, access: str) -> None:
    """Load into `part` what it lacks; each try goes on where the one before broke off."""
    reason = ""
    for attempt in range(client.attempts):
        have = part.stat().st_size if part.exists() else 0
        if entry.size is not None and have >= entry.size > 0:
            if have == entry.size:
                return
            part.unlink()
            have = 0
        try:
            if _load(client, entry, part, have, access):
                return
            reason = "broke off"
        except BROKEN as error:
            reason = f"broke off ({str(error)[:80]})"
        client.wait(attempt)
    msg = f"{entry.path}: the download {reason} {client.attempts} times; call again to go on from there"
    raise NetworkError(msg)


def _load(client: Client, entry: Entry, part: Path, have: int, access: str) -> bool:
    """One try; whether the body came whole. ImmPort answers with a signed address, or with the file itself."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    path = f"{QUERY}/drs/download/{access}/{urllib.parse.quote(entry.uuid, safe='')}"
    with client.get(path, headers) as response:
        address = _address(client, response, entry)
        if not address:
            return _save(response, entry, part, have)
    with client.get(address, headers) as response:
        return _save(response, entry, part, have)


def _address(client: Client, response: http.client.HTTPResponse, entry: Entry) -> str:
    """The address in an answer, ``""`` where the answer is the file."""
    length = response.headers.get("Content-Length", "")
    is_json = response.headers.get_content_type() == "application/json"
    if not is_json or (length.isdigit() and int(length) > _LARGEST_ADDRESS):
        return ""
    if entry.path.lower().endswith(".json") and length == str(entry.size):
        return ""
    try:
        answer = json.loads(response.read(_LARGEST_ADDRESS))
    except ValueError:
        answer = None
    found = next((answer[name] for name in ("url", "downloadUrl") if name in answer), None) if answer else None
    if not isinstance(found, str) or not found:
        msg = f"{entry.path}: ImmPort gives no address to load it from; the API may have changed"
        raise NetworkError(msg)
    return found


def _save(response: http.client.HTTPResponse, entry: Entry, part: Path, have: int) -> bool:
    if have and response.status != 206:  # the server starts from the beginning
        have = 0
    expected = response.headers.get("Content-Length", "")
    n_bytes = 0
    with part.open("ab" if have else "wb") as stream:
        while chunk := response.read(_CHUNK):
            n_bytes += len(chunk)
            stream.write(chunk)
            if entry.size is not None and have + n_bytes > entry.size:
                return True  # longer than it may be: the check of the size says so
    return not expected.isdigit() or n_bytes == int(expected)
