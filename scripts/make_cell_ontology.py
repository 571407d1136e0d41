"""Build the Cell Ontology table of `population annotate`: python scripts/make_cell_ontology.py

Reads `markers/cl_surface_marker_axioms.tsv` and `immport/lookups.json` of the shared data (IMMPORT_CYTO_SHARED) and
writes lib/immport_cyto/population/data/cell_ontology.tsv. The facts are those of the Cell Ontology (CC BY 4.0,
obophenotype.org); the bridge from its ids of proteins and complexes to marker names is below, taken from the names and
genes of the Protein Ontology (CC BY 4.0) and the Gene Ontology (CC BY 4.0).
"""

import csv
import io
import json
import os
from pathlib import Path

from immport_cyto import panel

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "lib" / "immport_cyto" / "population" / "data" / "cell_ontology.tsv"

# ids are those of the Protein Ontology (PR:) unless they begin with GO
BRIDGE = """
000001002 CD19|000001003 CD34|000001004 CD4|000001006 CD45|000001008 CD49b|000001010 CD103|000001012 CD11b
000001013 CD11c|000001014 B220|000001015 CD45RA|000001017 CD45RO|000001020 CD3|000001024 CD56|000001026 CD205
000001083 CD2|000001084 CD8|000001199 CCR2|000001200 CCR4|000001201 CCR5|000001202 CCR6|000001203 CCR7
000001206 CX3CR1|000001207 CXCR3|000001208 CXCR4|000001209 CXCR5|000001254 CCR1|000001255 CCR3|000001256 CXCR1
000001257 CXCR2|000001288 CD22|000001289 CD20|000001292 CD303|000001293 CD207|000001300 CD209|000001307 CD44
000001308 CD48|000001310 CD83|000001318 CD62L|000001319 CD84|000001326 CD317|000001332 CD66b|000001337 CD35
000001338 CD21|000001343 CD69|000001344 CD203c|000001345 CD105|000001380 CD25|000001381 CD122|000001398 CD85g
000001402 CD94|000001408 CD38|000001412 CD86|000001438 CD80|000001444 CD144|000001447 CD324|000001456 CD15
000001460 CD235a|000001465 CD64|000001479 CD32|000001481 CD32|000001483 CD16|000001580 FPR1|000001786 CD133
000001806 Dectin-2|000001807 CD369|000001809 CD59|000001813 F4/80|000001833 CD150|000001836 CD7|000001839 CD5
000001841 CD28|000001843 CD90|000001852 CTLA-4|000001858 CD179a|000001859 CD179b|000001860 ICOS|000001865 CD123
000001867 CD125|000001869 CD127|000001874 CD161|000001879 CD43|000001880 CD23|000001884 MARCO|000001885 CD204
000001889 CD14|000001892 CD33|000001893 CD335|000001896 CD244|000001898 CD10|000001905 CD36|000001907 CD42b
000001919 PD-1|000001925 CD163|000001927 CD170|000001931 CD169|000001932 CD24|000001935 CD138|000001944 PU.1
000001945 CD71|000001950 CD154|000001954 CD265|000001963 CD27|000001968 CD172a|000001969 CD87|000002001 CD135
000002015 HLA-DR|000002023 CD159a|000002025 CD1a|000002027 CD1c|000002028 CD1d|000002031 CD13|000002037 CD93
000002039 CD249|000002062 CD115|000002064 CD68|000002065 CD117|000002105 CD141|000002112 CD309|000002972 CD206
000002977 NK1.1|000002978 Ly6G|000002979 Ly6A/E|000002980 Ly6C|000002981 Ter119|000003457 Rag1|000003460 Rag2
000003516 CD77|000005178 CD9|000006169 CD200R3|000006172 CD209b|000007431 FceRIa|000007939 GFAP|000008982 IL-17RB
000008994 ST2|000009127 CD41|000009129 CD49d|000009143 Integrin b7|000009616 Ly49A|000009618 Ly49C|000009619 Ly49D
000009623 Ly49H|000009766 Galectin-1|000010329 MERTK|000010543 MPO|000016043 TAL1|000016401 TMED1|000025402 CD8
000025403 CD8|P10721 CD117|P28906 CD34|P16871 CD127|P13591 CD56|P49961 CD39|P56199 CD49a|O95971 CD160|P38570 CD103
O95944 CD336|Q12918 CD161|Q96E93 KLRG1|O76036 CD335|P01589 CD25|Q9Y5Y4 CD294|A0A0B4J238 TCR Vd2
GO_0042105 TCRab|GO_0042106 TCRgd|GO_0042101 TCR|GO_0042613 HLA-DR|GO_0071753 IgM|GO_0071738 IgD|GO_0071735 IgG
GO_0071742 IgE|GO_0071745 IgA|GO_0033001 CD16
"""
# names that no antibody of the vocabulary has: a complex that several markers show
COMPLEXES = ("TCR",)


def bridge() -> dict[str, str]:
    """Marker of each ontology id; every name must be the vocabulary's own."""
    found: dict[str, str] = {}
    for entry in BRIDGE.replace("\n", "|").split("|"):
        if not entry.strip():
            continue
        key, name = entry.strip().split(" ", 1)
        preferred = panel.antigen(name)
        if preferred != name and name not in COMPLEXES and preferred is not None:
            msg = f"{key}: the vocabulary calls {name} {preferred}; correct the bridge"
            raise SystemExit(msg)
        found[key if key.startswith("GO") else f"PR_{key}"] = name
    return found


def immport_names(shared: Path) -> dict[str, str]:
    """ImmPort's preferred name of each class; where two share a class, none."""
    tables = json.loads((shared / "immport" / "lookups.json").read_text(encoding="utf-8"))
    rows = next(table["rows"] for table in tables if table["name"] == "lk_cell_population")
    names: dict[str, list[str]] = {}
    for row in rows:
        key = (row["link"] or "").strip().rsplit("/", 1)[-1].replace("_", ":")
        if key.startswith("CL:"):
            names.setdefault(key, []).append(row["name"].strip())
    return {key: found[0] for key, found in names.items() if len(found) == 1}


def text(shared: Path) -> str:
    """The table."""
    markers, names = bridge(), immport_names(shared)
    out = io.StringIO()
    out.write("# Cell Ontology classes by surface markers; facts of the Cell Ontology, CC BY 4.0, obophenotype.org\n")
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(["cl_id", "label", "positive", "negative", "high", "low", "without_marker", "immport_name"])
    with (shared / "markers" / "cl_surface_marker_axioms.tsv").open(encoding="utf-8", newline="") as source:
        for row in csv.DictReader(source, delimiter="\t"):
            cells, unknown = [], 0
            for column in ("pos", "neg", "high", "low"):
                ids = (row[column] or "").split()
                unknown += sum(key not in markers for key in ids)
                cells.append(";".join(sorted({markers[key] for key in ids if key in markers})))
            # high and low are kinds of positive
            bright = set(cells[2].split(";")) | set(cells[3].split(";"))
            cells[0] = ";".join(name for name in cells[0].split(";") if name not in bright)
            if any(cells):
                writer.writerow([row["cl_id"], row["label"], *cells, unknown, names.get(row["cl_id"], "")])
    return out.getvalue()


if __name__ == "__main__":
    TARGET.write_text(text(Path(os.environ.get("IMMPORT_CYTO_SHARED", ROOT.parent / "shared")) / "data"), "utf-8")
