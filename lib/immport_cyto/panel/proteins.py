"""UniProt and Protein Ontology identifiers of the genes of antigens."""

from dataclasses import dataclass
from functools import lru_cache

from immport_cyto.panel.vocabulary import rows


@dataclass(frozen=True)
class Protein:
    """The protein of a gene in one species."""

    gene: str
    species: str
    symbol: str
    uniprot: str

    @property
    def pr(self) -> str:
        """Protein Ontology id: its entries for the protein of one species are named after the UniProt accession."""
        return f"PR:{self.uniprot}"


@lru_cache(maxsize=1)
def _proteins() -> dict[str, tuple[Protein, ...]]:
    found: dict[str, tuple[Protein, ...]] = {}
    for row in rows("proteins"):
        protein = Protein(row["gene"], row["species"], row["symbol"], row["uniprot"])
        found[protein.gene] = (*found.get(protein.gene, ()), protein)
    return found


def identifiers(gene: str, species: str = "") -> tuple[Protein, ...]:
    """Proteins of a gene (human first), of one species where it is given; none where they are not known for sure.

    >>> [p.pr for p in identifiers("CD4")]
    ['PR:P01730', 'PR:P06332']
    """
    return tuple(p for p in _proteins().get(gene, ()) if species in {"", p.species})
