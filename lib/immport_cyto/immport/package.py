"""Find Tab packages and Subject_2 tables, and stream their rows; nothing is ever unpacked to disk.

Dialect of a Tab package: one header line, tabs, LF, empty = NULL, quotes are plain characters. A Subject_2 table is the
same with lists in quotes; one real copy ends its lines with a bare CR. Both are read as text without any conversion.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from immport_cyto.exceptions import PackageError
from immport_cyto.files import sha256
from immport_cyto.immport.aliases import SUBJECT_2, TABLES, Source
from immport_cyto.immport.lines import cells_of, lines_of, position, rows_of
from immport_cyto.immport.unread import OTHER_COLUMNS

_RELEASE = re.compile(r"-DR(\d+(?:\.\d+)?)(?![0-9])", re.IGNORECASE)
_SUBJECT_2 = re.compile(r"subject_2_.*(flow|cytof|cytometry|fcm)", re.IGNORECASE)
_CHUNK = 1 << 20
_LARGE = 64 << 20
_KNOWN = {name: source for source in TABLES for name in source.names}


@dataclass(frozen=True)
class Limits:
    """What a package may cost before it is taken for a bomb.

    Attributes
    ----------
    table_bytes
        Uncompressed size of one table.
    ratio
        Uncompressed over compressed size of a table above 16 MiB; real tables have 4 to 20.
    line_bytes
        Length of one line; the longest real ones are FCS headers of some 100 kB.
    members
        Files in a zip.
    """

    table_bytes: int = 16 << 30
    ratio: float = 200.0
    line_bytes: int = 16 << 20
    members: int = 200_000


@dataclass(frozen=True)
class TableFile:
    """One table of a source: how to open it, and how large it says to be."""

    label: str
    opener: Callable[[], IO[bytes]]
    limit: int


@dataclass
class PackageSource:
    """One thing that can be loaded: the tables of one Tab folder, or one Subject_2 table.

    Attributes
    ----------
    name
        File name of the package, without its folder.
    kind
        ``tab``, ``subject_2``, ``api`` or ``upload``.
    release
        ``DR28``, or ``""`` where no name tells it.
    tables
        By the name that this project uses for the table.
    unused
        Tables in the package that are not read.
    absent
        Per table that was read, the columns that it does not have.
    unknown
        Per table that was read, columns that no release known to this project has.
    is_whole_file
        Whether `path` is a file that holds this source and no other.
    """

    name: str
    kind: str
    release: str
    tables: dict[str, TableFile]
    unused: list[str] = field(default_factory=list)
    path: Path = Path()
    limits: Limits = field(default_factory=Limits)
    absent: dict[str, frozenset[str]] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    is_whole_file: bool = False

    def digest(self) -> str:
        """Checksum: of the file; for a folder or a part of a zip, of names and bytes of the tables that are read."""
        if self.is_whole_file:
            return sha256(self.path)
        total = hashlib.sha256()
        for name in sorted(self.tables):
            table = hashlib.sha256()
            with self.tables[name].opener() as stream:
                while chunk := stream.read(_CHUNK):
                    table.update(chunk)
            total.update(f"{name}\0{table.hexdigest()}\0".encode())
        return total.hexdigest()

    def rows(self, source: Source, findings: list[str]) -> Iterator[tuple[str, ...]]:
        """Rows of a table in the order of ``source.columns``; an absent column is empty.

        Oddities are added to `findings`, one sentence each.

        Raises
        ------
        PackageError
            A line or table beyond the limits, or a damaged zip.
        """
        table = self.tables.get(source.name)
        if table is None:
            if source.wanted:
                findings.append(f"{self.name}: {source.names[0]}.txt is missing; what it tells stays unknown")
            return
        quoted = self.kind == "subject_2"
        with guarded(table.label), table.opener() as stream:
            lines = lines_of(stream, table.label, table.limit, self.limits.line_bytes)
            header = cells_of(next(lines, ""), quoted)
            names = [re.sub(r"[\s.]+", "_", cell.strip()).upper() for cell in header]
            where = [position(names, column.names) for column in source.columns]
            read = {names[at].lower() for at in where if at is not None}
            known = {name.lower() for column in source.columns for name in column.names}
            others = OTHER_COLUMNS.get(source.name, frozenset())
            self.unknown[source.name] = sorted({name.lower() for name in names if name} - read - known - others)
            self.absent[source.name] = frozenset(
                c.name for c, at in zip(source.columns, where, strict=True) if at is None
            )
            absent = [c.name for c, at in zip(source.columns, where, strict=True) if at is None and c.required]
            if absent:
                found = ", ".join(header[:6]) or "nothing"
                text = f"{table.label}: column {absent[0].upper()} is missing (found: {found})"
                if quoted:
                    msg = f"{text}; is this a Subject_2 table of ImmPort?"
                    raise PackageError(msg)
                findings.append(f"{text}; the table is left out")
                return
            yield from rows_of(lines, len(header), where, quoted, table.label, findings)


@contextmanager
def guarded(label: str) -> Iterator[None]:
    """Turn what a damaged zip can raise into one sentence."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        msg = f"{label}: cannot be unpacked ({error}); download the package again"
        raise PackageError(msg) from error
    except OSError as error:
        msg = f"{label}: cannot be read ({error.strerror or error}); check the file"
        raise PackageError(msg) from error


def find_sources(path: Path | str, *, limits: Limits | None = None) -> Sequence[PackageSource]:
    """Tab packages and Subject_2 tables at `path`: a zip, a folder (also of zips), or one Subject_2 table.

    Saved responses of the query API and upload templates are found, too: see :mod:`immport_cyto.immport.api` and
    :mod:`immport_cyto.immport.uploads`.

    Parameters
    ----------
    path
        What the user downloaded. A zip or folder may hold several studies, in one Tab folder or in several.
    limits
        See :class:`Limits`.

    Raises
    ------
    PackageError
        Nothing there, nothing of ImmPort in it, or an archive that must not be trusted.
    """
    from immport_cyto.immport import api, uploads  # they extend this module

    path = Path(path)
    limits = limits or Limits()
    if path.is_dir():
        found: Sequence[PackageSource] = _in_folder(path, limits)
    elif not path.is_file():
        msg = f"{path}: no such file or folder; check the path"
        raise PackageError(msg)
    elif zipfile.is_zipfile(path):
        found = _in_zip(path, limits)
    elif (upload := uploads.find_upload(path, limits)) is not None:
        found = [upload]
    elif (response := api.find_response(path, limits)) is not None:
        found = [response]
    else:
        with path.open("rb") as stream:
            start = stream.read(4)
        if start[:2] == b"PK":
            msg = f"{path}: a damaged zip file; download the package again"
            raise PackageError(msg)
        found = [_subject_2(path, limits)]
    if not found and (upload := uploads.find_upload(path, limits)) is not None:
        found = [upload]
    if not found:
        msg = f"{path}: no ImmPort tables in it (study.txt or *_Subject_2_*.txt); give a Tab package as downloaded"
        raise PackageError(msg)
    return found


def _subject_2(path: Path, limits: Limits) -> PackageSource:
    table = TableFile(path.name, lambda: path.open("rb"), limits.table_bytes)
    release = _release(path.name)
    return PackageSource(path.name, "subject_2", release, {SUBJECT_2.name: table}, [], path, limits, is_whole_file=True)


def _release(*names: str) -> str:
    for name in names:
        found = _RELEASE.search(name)
        if found:
            return f"DR{found.group(1)}"
    return ""


def _in_folder(path: Path, limits: Limits) -> list[PackageSource]:
    texts = sorted(p for p in path.rglob("*.txt") if p.is_file() and not p.name.startswith("._"))
    openers = {str(PurePosixPath(p.relative_to(path).as_posix())): p for p in texts}
    found = _group(
        path,
        {name: (lambda p=p: p.open("rb")) for name, p in openers.items()},  # type: ignore[misc]
        dict.fromkeys(openers, limits.table_bytes),
        limits,
    )
    found += [_subject_2(p, limits) for p in texts if _SUBJECT_2.search(p.name)]
    if not found:
        for archive in sorted(path.glob("*.zip")):
            found += _in_zip(archive, limits)
    return found


def zip_members(path: Path, limits: Limits, suffixes: tuple[str, ...] = ("",)) -> dict[str, zipfile.ZipInfo]:
    """Files of a zip by their path in it, those with one of the suffixes, without what macOS adds.

    Raises
    ------
    PackageError
        It is damaged, has a path that leads out of it, too many files, or one that unpacks like a zip bomb.
    """
    with guarded(str(path)), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > limits.members:
        msg = f"{path}: {len(members)} files in one zip, which no ImmPort package has; not loaded"
        raise PackageError(msg)
    packed = path.stat().st_size
    if sum(member.compress_size for member in members) > packed:
        msg = f"{path}: files of the zip lie over each other, like in a zip bomb; not loaded"
        raise PackageError(msg)
    unpacked = sum(member.file_size for member in members)
    if unpacked > _LARGE and unpacked > limits.ratio * packed:
        msg = f"{path}: would unpack to {unpacked // packed} times its size, like a zip bomb; not loaded"
        raise PackageError(msg)
    found: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        name = member.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if name.startswith(("/", "\\")) or ".." in parts or re.match(r"^[A-Za-z]:", name):
            msg = f"{path}: the zip holds the unsafe path {name!r}; not loaded, get the package from ImmPort"
            raise PackageError(msg)
        if member.is_dir() or "__MACOSX" in parts or parts[-1].startswith("._") or not name.lower().endswith(suffixes):
            continue
        if member.file_size > (16 << 20) and member.file_size > limits.ratio * max(member.compress_size, 1):
            ratio = member.file_size // max(member.compress_size, 1)
            msg = f"{path}: {name} would unpack to {ratio} times its size, like a zip bomb; not loaded"
            raise PackageError(msg)
        found["/".join(parts)] = member
    return found


def _in_zip(path: Path, limits: Limits) -> list[PackageSource]:
    members = zip_members(path, limits, (".txt",))
    openers = {name: zip_opener(path, member.filename) for name, member in members.items()}
    sizes = {name: min(limits.table_bytes, max(member.file_size, 1)) for name, member in members.items()}
    found = _group(path, openers, sizes, limits)
    for name in sorted(openers):
        if _SUBJECT_2.search(name.rsplit("/", 1)[-1]):
            base = name.rsplit("/", 1)[-1]
            table = TableFile(f"{path.name}: {base}", openers[name], sizes[name])
            release = _release(base, path.name)
            found.append(PackageSource(base, "subject_2", release, {SUBJECT_2.name: table}, [], path, limits))
    if len(found) == 1:  # the same checksum, whether the zip is given or a folder that holds it
        found[0].is_whole_file = True
    return found


def zip_opener(path: Path, member: str) -> Callable[[], IO[bytes]]:
    """What opens a file of a zip."""

    def opener() -> IO[bytes]:
        with zipfile.ZipFile(path) as archive:  # the member keeps the file open until it is closed itself
            return archive.open(member)

    return opener


def _group(
    path: Path, openers: dict[str, Callable[[], IO[bytes]]], sizes: dict[str, int], limits: Limits
) -> list[PackageSource]:
    """Folders with a study.txt, each with its tables."""
    folders: dict[str, dict[str, str]] = {}
    for name in sorted(openers):
        folder, _, base = name.rpartition("/")
        folders.setdefault(folder, {})[base.lower().removesuffix(".txt")] = name
    roots = [folder for folder, tables in folders.items() if "study" in tables]
    found = []
    for root in roots:
        tables, unused = {}, []
        for base, name in folders[root].items():
            source = _KNOWN.get(base)
            if source is None:
                unused.append(base)
                continue
            tables[source.name] = TableFile(f"{path.name}: {name.rsplit('/', 1)[-1]}", openers[name], sizes[name])
        folder_names = [part for part in reversed(root.split("/")) if part]
        release = _release(*folder_names, path.name, *(p.name for p in [*path.resolve().parents][:2]))
        label = path.name if len(roots) == 1 else f"{path.name}:{root}"
        found.append(PackageSource(label, "tab", release, tables, unused, path, limits))
    return found
