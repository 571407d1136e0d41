"""How a channel was read: the result of the parser."""

from dataclasses import dataclass, field

from immport_cyto.panel.vocabulary import Isotope

ROLES = (
    "marker", "dump", "viability", "dna", "bead", "barcode", "isotype", "tetramer", "proliferation", "scatter", "time",
    "event", "detector", "empty", "derived", "unknown",
)  # fmt: skip


@dataclass(frozen=True)
class Context:
    """What is known of the file: its technique and how often each label occurs.

    Attributes
    ----------
    technique
        ``"flow"``, ``"cytof"`` or ``""`` when not known.
    labels
        Texts of the other channels of the file.
    """

    technique: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChannelReading:
    """How one channel was read.

    Attributes
    ----------
    role
        One of `ROLES`.
    antigens
        Preferred names, in the order written; several only for composites.
    genes
        Gene symbols of the antigens.
    reporter
        Fluorochrome or isotope (``142Nd``); empty when unknown.
    modifiers
        surface, intracellular, phospho, total, site, detection through a fluorochrome, text left unread.
    rule
        The rule that decided.
    confidence
        0 to 1.
    alternatives
        Readings that were rejected, or suggestions where the channel is unknown.
    marker_class
        type, state or none.
    """

    role: str
    antigens: tuple[str, ...] = ()
    genes: tuple[str, ...] = ()
    reporter: str = ""
    modifiers: tuple[str, ...] = ()
    rule: str = ""
    confidence: float = 1.0
    alternatives: tuple[str, ...] = ()
    marker_class: str = "none"

    @property
    def antigen(self) -> str:
        """Antigens joined by ``/``; empty when the channel measures none."""
        return "/".join(self.antigens)


@dataclass(frozen=True)
class Hardware:
    """What $PnN says about the detector; `words` are the keys of its names."""

    isotope: Isotope | None = None
    reporter: str = ""
    words: frozenset[str] = field(default_factory=frozenset)
