"""Make packages with published results from simulated studies, for the tests of the Galaxy tools.

``python scripts/galaxy_published.py STUDIES OUT`` copies the packages SDYn-DR99_Tab.zip below STUDIES to OUT, the table
``fcs_analyzed_result`` filled from ``STUDIES/truth``: for each sample and population on its panel the share
of its parent in percent, and cells per microlitre as if each sample had 2,000 leukocytes per microlitre.
"""

import csv
import sys
import zipfile
from pathlib import Path

CELLS_PER_MICROLITRE = 2000


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def results(truth: Path, study: str) -> list[dict[str, str]]:
    """Rows of fcs_analyzed_result of one study."""
    samples = {row["file_name"]: row for row in rows_of(truth / "samples.tsv")}
    found: list[dict[str, str]] = []
    for row in rows_of(truth / "fractions.tsv"):
        if row["study_accession"] != study or row["on_panel"] != "true" or not row["fraction"]:
            continue
        sample = samples[row["file_name"]]
        amounts = {
            "% of parent": f"{100 * float(row['fraction']):.2f}",
            "cells/uL": f"{CELLS_PER_MICROLITRE * float(row['fraction_of_all']):.1f}",
        }
        found += [
            {
                "RESULT_ID": f"{study[3:]}{len(found) + number:05}",  # unique over studies
                "BIOSAMPLE_ACCESSION": sample["biosample_accession"],
                "EXPSAMPLE_ACCESSION": row["sample_id"],
                "SUBJECT_ACCESSION": sample["subject_accession"],
                "STUDY_ACCESSION": study,
                "POPULATION_NAME_REPORTED": row["population"],
                "POPULATION_DEFNITION_REPORTED": ", ".join(row["definition"].split()),
                "PARENT_POPULATION_REPORTED": row["parent"] if unit.startswith("%") else "",
                "POPULATION_STATISTIC_REPORTED": amount,
                "POPULATION_STAT_UNIT_REPORTED": unit,
            }
            for number, (unit, amount) in enumerate(amounts.items(), 1)
        ]
    return found


def publish(source: Path, target: Path, rows: list[dict[str, str]]) -> None:
    """Copy a package with the table of results filled."""
    with zipfile.ZipFile(source) as package, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for entry in package.infolist():
            text = package.read(entry)
            if entry.filename.endswith("/fcs_analyzed_result.txt"):
                names = text.decode().splitlines()[0].split("\t")
                lines = ["\t".join(names), *("\t".join(row.get(name, "") for name in names) for row in rows)]
                text = ("\n".join(lines) + "\n").encode()
            copy.writestr(zipfile.ZipInfo(entry.filename), text)


def main() -> None:
    """Publish all packages of a folder of studies."""
    studies, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for package in sorted(studies.glob("SDY*/*_Tab.zip")):
        publish(package, out / package.name, results(studies / "truth", package.parent.name))


if __name__ == "__main__":
    main()
