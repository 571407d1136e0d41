"""The index of the vocabulary from its tables: every spelling, also those made by rule, by its comparison key.

``scripts/make_vocabulary.py`` writes the index to ``panel/data/index.json``; a program that starts reads only that.
"""

import json
from collections.abc import Container
from typing import Any

from immport_cyto.panel._text import key
from immport_cyto.panel.vocabulary import STATE, Antigen, Isotope, Reporter, Vocabulary, Word, rows

_CLEAVED = ("c", "cl", "clv", "cleaved", "active", "act", "activated")
_DONORS = frozenset({"PE", "APC", "PerCP"})
_GENE_LENGTH = 4  # shorter gene symbols collide with other words of a panel


def build() -> tuple[Vocabulary, list[str]]:
    """The vocabulary, and the spellings that two antigens share."""
    collisions: list[str] = []
    reporters, words = _reporters(), _words()
    antigens, by_name = _antigens(collisions, reporters.keys() | words.keys())
    return Vocabulary(antigens, reporters, words, _isotopes(), by_name), collisions


def dump(vocabulary: Vocabulary) -> str:
    """The index as JSON, one entry with its keys per line."""
    isotopes = [json.dumps([*isotope, []], ensure_ascii=True) for isotope in vocabulary.isotopes.values()]
    parts = {
        "antigens": _grouped(vocabulary.antigens, list(vocabulary.by_name.values())),
        "reporters": _grouped(vocabulary.reporters, list(dict.fromkeys(vocabulary.reporters.values()))),
        "words": _grouped(vocabulary.words, list(dict.fromkeys(vocabulary.words.values()))),
        "isotopes": isotopes,
    }
    return "{" + ",\n".join(f'"{name}": [\n' + ",\n".join(lines) + "\n]" for name, lines in parts.items()) + "}\n"


def _grouped(index: dict[str, Any], entries: list[Any]) -> list[str]:
    keys: dict[Any, list[str]] = {entry: [] for entry in entries}
    for name, entry in index.items():
        keys[entry].append(name)
    return [json.dumps([*entry, sorted(names)], ensure_ascii=True) for entry, names in keys.items()]


def _antigens(collisions: list[str], taken: Container[str]) -> tuple[dict[str, Antigen], dict[str, Antigen]]:
    index: dict[str, Antigen] = {}
    by_name: dict[str, Antigen] = {}
    derived: list[tuple[str, Antigen]] = []
    for row in rows("antigens"):
        genes = tuple(g for g in row["gene"].split(";") if g)
        entry = Antigen(row["antigen"], genes, row["kind"], row["species"], row["marker_class"])
        by_name[entry.name] = entry
        names = [entry.name, *(s for s in row["synonyms"].split("|") if s)]
        for name in names:
            found = index.setdefault(key(name), entry)
            if found is not entry:
                collisions.append(f"{name}: {found.name} and {entry.name}")
        keys = [key(name) for name in names]
        if entry.kind == "signalling":
            phospho = Antigen(f"p{entry.name}", genes, "phospho", entry.species, STATE)
            by_name[phospho.name] = phospho
            derived += [(prefix + k, phospho) for k in keys for prefix in ("p", "phospho", "phos", "pp")]
            derived += [(prefix + k, entry) for k in keys for prefix in ("total", "t", "tot")]
        if entry.kind == "cleavable":
            cleaved = Antigen(f"cleaved {entry.name}", genes, "cleaved", entry.species, STATE)
            by_name[cleaved.name] = cleaved
            derived += [(prefix + k, cleaved) for k in keys for prefix in _CLEAVED]
            derived += [(k + suffix, cleaved) for k in keys for suffix in ("cleaved", "active", "activated")]
    owners: dict[str, list[Antigen]] = {}
    for entry in by_name.values():
        if len(entry.genes) == 1 and entry.kind not in {"phospho", "cleaved"}:
            owners.setdefault(entry.genes[0], []).append(entry)
    derived += [(key(g), found[0]) for g, found in owners.items() if len(found) == 1 and len(g) >= _GENE_LENGTH]
    for name, entry in derived:  # a name that is written out wins over one made by rule
        if name not in taken:
            index.setdefault(name, entry)
    return index, by_name


def _reporters() -> dict[str, Reporter]:
    index: dict[str, Reporter] = {}
    for row in rows("reporters"):
        templates = [row["reporter"], *filter(None, row["synonyms"].split("|"))]
        numbers = row["numbers"].split("|")
        lasers, peaks = row["laser"].split("|"), row["emission"].split("|")
        for place, number in enumerate(numbers):
            name = row["reporter"].replace("{}", number)
            laser, peak = lasers[min(place, len(lasers) - 1)], peaks[min(place, len(peaks) - 1)]
            if peak == "=":  # named after their peak, such as BV421
                peak = "".join(filter(str.isdigit, number[:3]))
            company = row["needs_company"] == "yes"
            entry = Reporter(name, row["kind"], company, int(laser or 0), int(peak or 0))
            for template in templates:
                index.setdefault(key(template.replace("{}", number)), entry)
            donor, dash, acceptor = name.partition("-")
            if dash and row["kind"] == "tandem" and donor in _DONORS:  # Cy7APC, Cy5.5-PerCP
                index.setdefault(key(acceptor + donor), entry)
                index.setdefault(key(acceptor.replace(".", "") + donor), entry)
    return index


def _words() -> dict[str, Word]:
    index: dict[str, Word] = {}
    for row in rows("words"):
        entry = Word(row["role"], row["name"])
        for name in [row["name"], *row["synonyms"].split("|")]:
            if key(name):
                index.setdefault(key(name), entry)
    return index


def _isotopes() -> dict[str, Isotope]:
    return {
        row["isotope"]: Isotope(row["isotope"], row["element"], int(row["mass"]), row["usual_use"])
        for row in rows("metals")
    }
