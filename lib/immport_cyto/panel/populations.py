"""Names of populations as studies report them: ``CD86+ na?ve B cell``, ``CD3_abs``, ``TH_ICOSp_abs``, FlowJo paths.

A name gives the gates that it writes, the statistic that it ends with, and the words for kinds of cells, which are kept
as words: what a study means by a naive B cell is in its definition, not in the name.
"""

import re
from dataclasses import dataclass

from immport_cyto.exceptions import DefinitionError
from immport_cyto.panel._text import clean, key
from immport_cyto.panel.boolean import Gate
from immport_cyto.panel.gates import Definition, parse_gates
from immport_cyto.panel.vocabulary import load

COUNT, CONCENTRATION, FRACTION, INTENSITY = "count", "cells per microlitre", "fraction", "intensity"

# na?ve, na\ufffdve, naïve: the letter was lost in ImmPort's tables
_NAIVE = re.compile(r"\bna[^a-z\s]ve\b", re.IGNORECASE)
_STATISTICS = (
    (re.compile(r",?\s*(?:freq\.? of\b.*|frequency of\b.*|% of\b.*|percent of\b.*)$", re.IGNORECASE), FRACTION),
    (re.compile(r"[\s_,|]*(?:pct|perc|percent(?:age)?|freq(?:uency)?|%)[\s_]*$", re.IGNORECASE), FRACTION),
    (re.compile(r"[\s_,|(]*(?:cells?\s?/\s?(?:ul|µl|mm3|mcl)|/ul|per ul)\)?$", re.IGNORECASE), CONCENTRATION),
    (re.compile(r"[\s_,|]*(?:abs(?:olute)?(?: ?count)?#?|abs#)$", re.IGNORECASE), COUNT),
    (re.compile(r"[\s_,|]*(?:counts?|#|number)$", re.IGNORECASE), COUNT),
    (re.compile(r"[\s_,|(]*(?:g?mfi|median|geo(?:metric)? ?mean|mean)\)?$", re.IGNORECASE), INTENSITY),
)
_QUADRANT = re.compile(r"\bQ[1-4]:\s*")
_SIGNED = re.compile(r"(\+\+|\+-|\+~|\+|-|hi|lo|high|low|bright|dim|int|pos|neg|p|n)(?=$|[\s_,/|)]|(?-i:[A-Z]))")
_LETTERS = {"p": "+", "n": "-"}
_WORDS = {
    "T cell": "t tcell tcells tlym tlymphocyte tlymphocytes tlymphs",
    "B cell": "b bcell bcells blym blymphocyte blymphs",
    "NK cell": "nk nkcell nkcells",
    "NKT cell": "nkt nktcell nktcells",
    "monocyte": "mono monos monocyte monocytes",
    "T helper cell": "th thelper thelpercell thelpercells helpertcell helper",
    "T helper cell type 1": "th1",
    "T helper cell type 2": "th2",
    "T helper cell type 17": "th17",
    "T helper cell type 1/17": "th1.17",
    "regulatory T cell": "treg tregs",
    "T follicular helper cell": "tfh tfollicularhelpercell tfollicularhelpercells",
    "T follicular helper cell type 1": "tfh1",
    "T follicular helper cell type 2": "tfh2",
    "T follicular helper cell type 17": "tfh17",
    "T follicular helper cell type 1/17": "tfh1.17",
    "type 1": "type1",
    "type 2": "type2",
    "type 17": "type17",
    "dendritic cell": "dc dcs dendriticcell dendriticcells",
    "plasmacytoid dendritic cell": "pdc pdcs plasmacytoiddendriticcell",
    "myeloid dendritic cell": "mdc mdcs myeloiddendriticcell",
    "granulocyte": "gran grans granulocyte granulocytes",
    "neutrophil": "neut neuts neutrophil neutrophils",
    "eosinophil": "eos eosinophil eosinophils",
    "basophil": "baso basos basophil basophils",
    "lymphocyte": "lym lymph lymphs lymphocyte lymphocytes",
    "leukocyte": "wbc leukocyte leukocytes",
    "plasmablast": "pb plasmablast plasmablasts",
    "plasma cell": "pc plasmacell plasmacells",
    "naive": "naive",
    "memory": "memory mem",
    "central memory": "centralmemory cm tcm",
    "effector memory": "effectormemory em tem",
    "effector": "effector eff",
    "terminally differentiated effector memory": "temra emra",
    "transitional": "transitional transition",
    "switched": "switched",
    "unswitched": "unswitched nonswitched",
    "activated": "activated act",
    "singlet": "singlet singlets",
    "viable": "live viable",
    "cells": "cell cells population populations",
}
_WORD_OF = {name: word for word, names in _WORDS.items() for name in names.split()}
_LONGEST = 4


@dataclass(frozen=True)
class PopulationName:
    """What the name of a population says.

    Attributes
    ----------
    definition
        The gates that the name writes; None when it writes none.
    words
        Kinds of cells and states, in the order written.
    statistic
        What was measured: count, cells per microlitre, fraction, intensity; empty when the name does not say.
    unread
        Words that are not known.
    notes
        What was assumed.
    """

    definition: Definition | None
    words: tuple[str, ...]
    statistic: str
    unread: tuple[str, ...]
    notes: tuple[str, ...]


def read_population(name: str) -> PopulationName:
    """Read the name of a population.

    Examples
    --------
    >>> named = read_population("TH_ICOSp_abs")
    >>> str(named.definition), named.words, named.statistic
    ('ICOS+', ('T helper cell',), 'count')
    >>> read_population("CD86+ na?ve B cell").words
    ('naive', 'B cell')
    """
    text = _NAIVE.sub("naive", clean(name))
    statistic = ""
    for pattern, meaning in _STATISTICS:
        shorter = pattern.sub("", text)
        if shorter != text and key(shorter):
            text, statistic = shorter, statistic or meaning
    text = _QUADRANT.sub("", text)
    gates: list[Gate] = []
    words: list[str] = []
    unread: list[str] = []
    notes: list[str] = []
    for part in filter(None, re.split(r"[/|,;]+(?=\s|[A-Za-z])|[,;|]+", text)):
        _read_part(part, gates, words, unread, notes)
    definition = _definition(gates, notes)
    return PopulationName(definition, tuple(dict.fromkeys(words)), statistic, tuple(unread), tuple(notes))


def _definition(gates: list[Gate], notes: list[str]) -> Definition | None:
    """The gates as one definition; of gates that exclude each other only the first is kept, and that is noted."""
    kept: dict[str, Gate] = {}
    for gate in gates:
        before = kept.setdefault(gate.marker, gate)
        if before.sign != gate.sign:
            notes.append(f"{before} and {gate} exclude each other; {before} is kept")
    return Definition(tuple(kept.values())) if kept else None


def _read_part(text: str, gates: list[Gate], words: list[str], unread: list[str], notes: list[str]) -> None:
    tokens = [token for token in re.split(r"[\s_]+", text.strip(" ()")) if key(token)]
    position = 0
    while position < len(tokens):
        for length in range(min(_LONGEST, len(tokens) - position), 0, -1):
            piece = tokens[position : position + length]
            word = _WORD_OF.get(key("".join(piece)))
            if word and not (length == 1 and key(piece[0]) in load().antigens and len(key(piece[0])) > 2):
                words.append(word)
                break
            found = _gates(piece, notes) if length <= 2 else None
            if found:
                gates += found
                break
        else:
            unread.append(tokens[position])
            length = 1
        position += length


def _gates(tokens: list[str], notes: list[str]) -> list[Gate] | None:
    """Gates of one token (or a marker and its sign in two), None when it holds none."""
    text = " ".join(tokens)
    entry = load().antigens.get(key(text))
    if entry is not None and text[-1] not in "+-":
        notes.append(f"{text} has no sign and is read as {entry.name}+")
        return [Gate(entry.name, "+")]
    signed = _with_signs(text)
    try:
        read = parse_gates(signed)
    except DefinitionError:
        return None
    known = all(gate.marker not in read.unknown for gate in read.gates)
    return list(read.gates) if read.gates and known and not read.populations else None


def _with_signs(text: str) -> str:
    """``CD14nCD16n`` as ``CD14- CD16-``: the letters p and n after a known marker are signs."""
    parts: list[str] = []
    start = 0
    for match in _SIGNED.finditer(text):
        sign = match.group(1)
        marker = text[start : match.start()].strip(" _")
        if match.start() >= start and sign in _LETTERS and key(marker) in load().antigens:
            parts.append(marker + _LETTERS[sign])
            start = match.end()
    return " ".join([*parts, text[start:]]) if parts else text
