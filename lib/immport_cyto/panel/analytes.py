"""ImmPort's analytes (``lk_analyte`` of a package): accessions for our antigens, and names that we lack."""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immport_cyto.exceptions import TableError
from immport_cyto.panel._text import key
from immport_cyto.panel.reading import ChannelReading
from immport_cyto.panel.segments import cut
from immport_cyto.panel.vocabulary import TYPE, Antigen, load

SPECIES = {"9606": "human", "10090": "mouse"}
_TABLE = "lk_analyte.txt"
_LARGEST = 64 << 20  # ImmPort's own has less than 1 MiB
# the columns are named differently in the releases; the first that is there counts
_COLUMNS = {
    "accession": ("ANALYTE_ACCESSION",),
    "gene": ("GENE_SYMBOL", "ANALYTE_PREFERRED"),
    "symbol": ("IMMUNOLOGY_SYMBOL", "IMMUNOLOGY_GENE_SYMBOL"),
    "species": ("TAXONOMY_ID",),
}
_SHORTEST = 3  # a shorter symbol is not taken as a name
_EMPTY = frozenset({"", "-", "NA", "null"})


@dataclass(frozen=True)
class Analyte:
    """One row of lk_analyte.

    Attributes
    ----------
    accession
        ``ANAn``.
    gene, symbol
        Gene symbol, and the symbol that immunologists use.
    species
        human, mouse, or empty.
    """

    accession: str
    gene: str
    symbol: str
    species: str

    @property
    def name(self) -> str:
        """The symbol of immunology, else the gene symbol."""
        return self.symbol or self.gene


@dataclass(frozen=True)
class Analytes:
    """Analytes of packages.

    Attributes
    ----------
    by_antigen
        Accession by antigen and species.
    by_key
        Analytes that our vocabulary does not have, by comparison key.
    conflicts
        Where ImmPort and the vocabulary say different things: antigen and one sentence.
    """

    by_antigen: Mapping[tuple[str, str], str]
    by_key: Mapping[str, Analyte]
    conflicts: tuple[tuple[str, str], ...]

    def accession(self, antigens: Iterable[str], species: str = "human") -> str:
        """Accessions of the antigens of a channel, joined by ``;``; empty where one has none."""
        found = [self.by_antigen.get((name, species), "") for name in antigens]
        return ";".join(found) if all(found) else ""

    def read(self, label: str, reading: ChannelReading) -> ChannelReading:
        """The reading of an unknown label by ImmPort's name of an analyte, whole or beside a known reporter."""
        rest = [s.text for s in cut(label, lone_codes=True) if s.category in {"text", "number", "modifier", "site"}]
        analyte = self.by_key.get(key(label)) or self.by_key.get(key("".join(rest)))
        if reading.role != "unknown" or analyte is None:
            return reading
        return ChannelReading(
            "marker", (analyte.name,), (analyte.gene,), reading.reporter, (), f"ImmPort analyte {analyte.accession}",
            0.9, (), TYPE,
        )  # fmt: skip


def read_analytes(packages: Iterable[Path | str]) -> Analytes:
    """Analytes of Tab packages (zip or folder) or of ``lk_analyte.txt`` files.

    Raises
    ------
    TableError
        No package has an analyte table, or it lacks the accession or the gene symbol.
    """
    paths = [Path(path) for path in packages]
    found: dict[str, Analyte] = {}
    for path in paths:
        for text in _texts(path):
            found |= {analyte.accession: analyte for analyte in _parse(text, path)}
    if not found:
        msg = f"{', '.join(p.name for p in paths)}: no {_TABLE} in the package; give a package of release DR20 or later"
        raise TableError(msg)
    return match(found.values())


def _texts(path: Path) -> list[str]:
    if path.is_dir():
        return [p.read_text(encoding="utf-8", errors="replace") for p in sorted(path.rglob(_TABLE))]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.rsplit("/", 1)[-1] == _TABLE)
            for name in names:
                if archive.getinfo(name).file_size > _LARGEST:
                    msg = f"{path.name}: {name} is above {_LARGEST >> 20} MiB; use the package as ImmPort gives it"
                    raise TableError(msg)
            return [archive.read(name).decode("utf-8", errors="replace") for name in names]
    if path.name == _TABLE:
        return [path.read_text(encoding="utf-8", errors="replace")]
    return []


def _parse(text: str, path: Path) -> list[Analyte]:
    header, *lines = text.splitlines() or [""]
    names = [name.strip().upper() for name in header.split("\t")]
    places: dict[str, int] = {}
    for wanted, choices in _COLUMNS.items():
        present = [names.index(choice) for choice in choices if choice in names]
        if not present and wanted in {"accession", "gene"}:
            msg = f"{path.name}: column {choices[0]} of {_TABLE} is missing; use the package as ImmPort gives it"
            raise TableError(msg)
        places[wanted] = present[0] if present else -1
    rows = (line.split("\t") for line in lines if line.strip())
    return [
        Analyte(**{name: _cell(cells, place, name) for name, place in places.items()})
        for cells in rows
        if _cell(cells, places["accession"], "accession")
    ]


def _cell(cells: list[str], place: int, name: str) -> str:
    value: Any = cells[place].strip() if 0 <= place < len(cells) else ""
    value = "" if value in _EMPTY else value
    return SPECIES.get(value, "") if name == "species" else value


def match(analytes: Iterable[Analyte]) -> Analytes:
    """Bring analytes together with the vocabulary.

    An analyte belongs to the antigen that its immunology symbol names; else to the antigens of its gene, where these
    are one target (PTPRC is CD45, CD45RA, CD45RO and B220, so its gene alone decides nothing).
    """
    vocabulary = load()
    of_gene: dict[str, list[Antigen]] = {}
    for entry in vocabulary.by_name.values():
        if len(entry.genes) == 1 and entry.kind not in {"phospho", "cleaved", "allele"}:
            of_gene.setdefault(entry.genes[0], []).append(entry)
    by_antigen: dict[tuple[str, str], str] = {}
    by_key: dict[str, Analyte] = {}
    conflicts: list[tuple[str, str]] = []
    for analyte in sorted(analytes, key=lambda a: (len(a.accession), a.accession)):
        named = [vocabulary.antigens.get(key(name)) for name in (analyte.symbol, analyte.gene) if key(name)]
        by_name = next((entry for entry in named if entry is not None), None)
        by_gene = of_gene.get(analyte.gene.upper(), [])
        if by_name is not None and by_name.genes and by_gene and analyte.gene.upper() not in by_name.genes:
            sentence = (
                f"{analyte.accession}: ImmPort's symbol {analyte.symbol!r} of gene {analyte.gene} is {by_name.name} of "
                f"gene {', '.join(by_name.genes)} here; the gene decides"
            )
            conflicts.append((by_name.name, sentence))
            by_name = None
        chosen = [by_name] if by_name else []
        if len(by_gene) == 1 and by_gene[0] not in chosen:
            chosen.append(by_gene[0])
        for entry in chosen:
            before = by_antigen.setdefault((entry.name, analyte.species), analyte.accession)
            if before != analyte.accession:
                both = f"{before} and {analyte.accession} ({analyte.species})"
                conflicts.append((entry.name, f"{entry.name}: ImmPort has {both}; the first is used"))
        if not chosen:
            for name in (analyte.symbol, analyte.gene):
                taken = (
                    key(name) in vocabulary.antigens
                    or key(name) in vocabulary.words
                    or key(name) in vocabulary.reporters
                )
                if len(key(name)) >= _SHORTEST and not taken:
                    by_key.setdefault(key(name), analyte)
    return Analytes(by_antigen, by_key, tuple(conflicts))
