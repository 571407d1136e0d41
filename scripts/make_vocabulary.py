"""Merge, sort and check the vocabulary in ``lib/immport_cyto/panel/data``.

    python scripts/make_vocabulary.py                         sort and check the tables
    python scripts/make_vocabulary.py --check                 only check; exit 1 when something would change
    python scripts/make_vocabulary.py --add rows.tsv          merge rows with the columns of antigens.tsv
    python scripts/make_vocabulary.py --analytes lk_analyte.txt...
                                                              identifiers from ImmPort's analyte table
    python scripts/make_vocabulary.py --labels appendix_a.tsv appendix_b.tsv
                                                              immport.tsv from ImmPort's marker grammar

``antigens.tsv`` is written by hand, with the source of each row: HCDM (names of the human cell differentiation
molecules workshops), HGNC (gene symbols), project (targets that are no gene product). A row of
``--add`` whose antigen is known adds its synonyms to it. A synonym that two antigens would share is an error.

``proteins.tsv`` holds the identifiers of the genes. The Protein Ontology names the protein of one species ``PR:`` and
its UniProt accession (PR:P01730 is human CD4), so ``pr`` is made from ``uniprot`` by that rule. Rows with the source
``ImmPort`` come from lk_analyte. The other rows are kept as they are: the source names the public table that gives the
accession of the gene (HGNC, UniProt, CellPhoneDB; see docs/methods-panels.md).

``index.json`` holds every spelling by its key (see ``immport_cyto.panel.index``); a program reads only this.

``immport.tsv`` holds, per ImmPort analyte, the labels that ImmPort's documentation of its marker grammar maps to it.
"""

import argparse
import csv
import re
import sys
from pathlib import Path

from immport_cyto.panel._text import key
from immport_cyto.panel.index import build, dump

DATA = Path(__file__).parent.parent / "lib" / "immport_cyto" / "panel" / "data"
ANTIGEN_COLUMNS = ("antigen", "gene", "synonyms", "kind", "species", "marker_class", "source")
PROTEIN_COLUMNS = ("gene", "species", "symbol", "uniprot", "source")
LABEL_COLUMNS = ("preferred", "accession", "species", "labels")
SPECIES = {"9606": "human", "10090": "mouse"}
ACCESSION = re.compile(r"^(?:[OPQ]\d[A-Z0-9]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z0-9]{2}\d){1,2})$")

Row = dict[str, str]


def read(path: Path) -> list[Row]:
    """Rows of a tab-separated table without quoting."""
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def text(rows: list[Row], columns: tuple[str, ...]) -> str:
    """The table as it is stored."""
    lines = ["\t".join(columns), *("\t".join(row[name] for name in columns) for row in rows)]
    return "\n".join(lines) + "\n"


def merge_antigens(rows: list[Row], added: list[Row]) -> tuple[list[Row], list[str]]:
    """All rows, sorted, each with the shortest list of synonyms; and the problems."""
    problems: list[str] = []
    by_name = {row["antigen"]: dict(row) for row in rows}
    owners = {key(name): row["antigen"] for row in rows for name in names(row)}
    for row in added:
        owner = owners.get(key(row["antigen"]))
        if owner is None:
            by_name[row["antigen"]] = dict(row)
            owner = row["antigen"]
        else:
            known = by_name[owner]
            known["synonyms"] = "|".join(filter(None, [known["synonyms"], row["synonyms"]]))
        owners.update({key(name): owners.get(key(name), owner) for name in names(row)})
    for row in by_name.values():
        kept: dict[str, str] = {key(row["antigen"]): ""}
        for synonym in filter(None, row["synonyms"].split("|")):
            owner = owners.setdefault(key(synonym), row["antigen"])
            if owner != row["antigen"]:
                problems.append(f"{synonym!r} names {owner} and {row['antigen']}")
            elif key(synonym) not in kept and key(synonym):
                kept[key(synonym)] = synonym
        row["synonyms"] = "|".join(filter(None, kept.values()))
    return sorted(by_name.values(), key=lambda row: (row["antigen"].lower(), row["antigen"])), problems


def names(row: Row) -> list[str]:
    """Preferred name and synonyms."""
    return [row["antigen"], *filter(None, row["synonyms"].split("|"))]


def genes_of(rows: list[Row]) -> set[str]:
    """Gene symbols that the antigens use."""
    return {gene for row in rows for gene in row["gene"].split(";") if gene}


def merge_proteins(rows: list[Row], analytes: list[Row], genes: set[str]) -> list[Row]:
    """Identifiers of the genes: rows written by hand, then ImmPort's."""
    found = {(row["gene"], row["species"]): row for row in rows if row["gene"] in genes}
    for analyte in analytes:
        symbol, species = analyte["GENE_SYMBOL"].strip(), SPECIES.get(analyte["TAXONOMY_ID"].strip(), "")
        accession = analyte["PROTEIN_ONTOLOGY_ID"].strip().removeprefix("PR:")
        gene = symbol.upper()
        if gene in genes and species and ACCESSION.match(accession):
            row = {"gene": gene, "species": species, "symbol": symbol, "uniprot": accession, "source": "ImmPort"}
            found.setdefault((gene, species), row)
    return [found[place] for place in sorted(found)]


def merge_labels(tables: list[Row]) -> list[Row]:
    """One row per analyte with the labels that mean it; words that are no analyte have no accession."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in tables:
        species = SPECIES.get(row["Taxonomy ID"].strip(), "")
        place = (row["Analyte Preferred"].strip(), row["Analyte Accession"].strip(), species)
        found.setdefault(place, []).append(row["Analyte Reported"].strip())
    return [
        {
            "preferred": preferred,
            "accession": accession,
            "species": species,
            "labels": "|".join(sorted({label for label in names if label != preferred and "|" not in label})),
        }
        for (preferred, accession, species), names in sorted(found.items())
    ]


def check_proteins(rows: list[Row]) -> list[str]:
    """Accessions that are none, or that two genes of a species share."""
    problems = [
        f"{row['gene']}: {row['uniprot']!r} is no UniProt accession"
        for row in rows
        if not ACCESSION.match(row["uniprot"])
    ]
    seen: dict[str, str] = {}
    for row in rows:
        other = seen.setdefault(row["uniprot"], row["gene"])
        if other != row["gene"]:
            problems.append(f"{row['uniprot']} is given to {other} and {row['gene']}")
    return problems


def write_index(*, check: bool) -> list[Path]:
    """Write the index of the tables; the path where it changed."""
    vocabulary, collisions = build()
    for collision in collisions:
        print(f"two meanings: {collision}", file=sys.stderr)
    path, content = DATA / "index.json", dump(vocabulary)
    if path.exists() and path.read_text("utf-8") == content:
        return []
    if not check:
        path.write_text(content, encoding="utf-8")
    return [path]


def main(arguments: list[str] | None = None) -> int:
    """Merge and check; 1 when there is a problem or, with ``--check``, something to change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", type=Path, action="append", default=[], help="table with the columns of antigens.tsv")
    parser.add_argument("--analytes", type=Path, nargs="*", default=[], help="lk_analyte.txt of ImmPort packages")
    parser.add_argument(
        "--labels", type=Path, nargs="*", default=[], help="appendix A and B of ImmPort's marker grammar"
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    antigens, problems = merge_antigens(
        read(DATA / "antigens.tsv"), [row for path in options.add for row in read(path)]
    )
    hand_written = DATA / "proteins.tsv"
    known = read(hand_written) if hand_written.exists() else []
    if options.analytes:
        known = [row for row in known if row["source"] != "ImmPort"]
    analytes = [row for path in options.analytes for row in read(path)]
    proteins = merge_proteins(known, analytes, genes_of(antigens))
    problems += check_proteins(proteins)
    wanted = {
        DATA / "antigens.tsv": text(antigens, ANTIGEN_COLUMNS),
        hand_written: text(proteins, PROTEIN_COLUMNS),
    }
    if options.labels:
        labels = merge_labels([row for path in options.labels for row in read(path)])
        wanted[DATA / "immport.tsv"] = text(labels, LABEL_COLUMNS)
    changed = [path for path, content in wanted.items() if not path.exists() or path.read_text("utf-8") != content]
    for problem in problems:
        print(problem, file=sys.stderr)
    if options.check:
        changed += write_index(check=True)
        for path in changed:
            print(f"{path.name} is not as make_vocabulary.py writes it", file=sys.stderr)
        return int(bool(problems or changed))
    if not problems:
        for path in changed:
            path.write_text(wanted[path], encoding="utf-8")
    write_index(check=False)
    genes = genes_of(antigens)
    with_id = {row["gene"] for row in proteins if row["species"] == "human"}
    print(f"{len(antigens)} antigens, {len(genes)} genes, {len(genes & with_id)} with a human UniProt accession")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
