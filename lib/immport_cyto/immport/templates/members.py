"""The files of an upload package: a folder, a zip, or files; a zip is read without being unpacked."""

import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from immport_cyto.exceptions import PackageError
from immport_cyto.immport.package import Limits, guarded, zip_members, zip_opener

LIMITS = Limits(table_bytes=256 << 20)
"""A template of 256 MiB has some million rows; all of it is held in memory."""

_HIDDEN = re.compile(r"(^|/)(\.|__MACOSX/|~\$)")
_TEMPLATE_SUFFIXES = (".txt", ".tsv", ".csv", ".json", ".xlsx")


@dataclass(frozen=True)
class Member:
    """One file of a package; `path` is None inside a zip, `is_given` where it was named itself."""

    name: str
    opener: Callable[[], IO[bytes]]
    path: Path | None = None
    packed_size: int = 0
    is_given: bool = False

    @property
    def base(self) -> str:
        """Name without the folder."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def may_be_template(self) -> bool:
        """Whether the suffix is that of a template; a file that was named itself may have any."""
        return self.is_given or self.base.lower().endswith(_TEMPLATE_SUFFIXES)

    def start(self) -> bytes:
        """The first bytes."""
        with guarded(self.name), self.opener() as stream:
            return stream.read(4096)

    def content(self, limits: Limits = LIMITS) -> bytes:
        """All bytes.

        Raises
        ------
        PackageError
            More than a template can have, or a damaged zip.
        """
        with guarded(self.name), self.opener() as stream:
            content = stream.read(limits.table_bytes + 1)
        bomb = len(content) > (16 << 20) and self.packed_size and len(content) > limits.ratio * self.packed_size
        if len(content) > limits.table_bytes or bomb:
            msg = f"{self.name}: has {len(content)} bytes or more, which no template has; split it"
            raise PackageError(msg)
        return content


@dataclass
class Members:
    """Files of one package, in order of their names.

    Attributes
    ----------
    files
        What was given.
    beside
        Names of files in the folder of a single template that was given.
    """

    files: list[Member] = field(default_factory=list)
    beside: set[str] = field(default_factory=set)


def find_members(paths: Iterable[Path | str], limits: Limits = LIMITS) -> Members:
    """Files at `paths`: folders (with all below), zips, and single files.

    Raises
    ------
    PackageError
        Nothing is there, or a zip that must not be trusted.
    """
    found = Members()
    for path in map(Path, paths):
        if path.is_dir():
            found.files += _of_folder(path)
        elif not path.is_file():
            msg = f"{path}: no such file or folder; check the path"
            raise PackageError(msg)
        elif zipfile.is_zipfile(path) and path.suffix.lower() != ".xlsx":
            members = zip_members(path, limits)
            found.files += [
                Member(name, zip_opener(path, members[name].filename), None, members[name].compress_size)
                for name in sorted(members)
                if not _HIDDEN.search(name)
            ]
        else:
            found.files.append(_of_disk(path.name, path, is_given=True))
            found.beside |= {other.name for other in path.parent.iterdir() if other.is_file()}
    if not found.files:
        msg = f"{', '.join(str(path) for path in paths)}: no files in it; give the package that is to be uploaded"
        raise PackageError(msg)
    return found


def _of_folder(folder: Path) -> list[Member]:
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return [_of_disk(name, names[name]) for name in sorted(names) if not _HIDDEN.search(name)]


def _of_disk(name: str, path: Path, *, is_given: bool = False) -> Member:
    return Member(name, lambda: path.open("rb"), path, is_given=is_given)


def copy_of(member: Member, folder: Path, limits: Limits = LIMITS) -> Path:
    """The file on the disk; one of a zip is unpacked into a folder first.

    Raises
    ------
    PackageError
        It unpacks to much more than its packed size, like a zip bomb.
    """
    if member.path is not None:
        return member.path
    target = folder / "member"
    total = 0
    with guarded(member.name), member.opener() as stream, target.open("wb") as copy:
        while chunk := stream.read(1 << 20):
            total += len(chunk)
            if total > (16 << 20) and total > limits.ratio * max(member.packed_size, 1):
                msg = f"{member.name}: unpacks to more than {total} bytes, like a zip bomb; not read"
                raise PackageError(msg)
            copy.write(chunk)
    return target
