"""The ImmPort store at the size of the archive: loading, memory, and the time of a question.

    python benchmarks/immport.py                            # 1,000 studies of 2,000 samples: some ten minutes
    python benchmarks/immport.py --studies 50               # the same in half a minute

Packages are made one by one (each a Tab zip of one study: subjects in two arms, visits, biosamples, expsamples, one FCS
result file and one control for each ten samples, headers with the channels of one of five panels) and loaded into one
store on disk, in a process of its own whose peak memory is read at the end. Then, each in a fresh connection, the best
of three:

- link: the files of one study by name, as `immport link --store` does; and one file;
- search: four markers in one panel, in PBMC, above 60 years, over all studies;
- results: a study of 20,000 analysed results, loaded and read.

Printed beside the aims; the exit code is 1 where one is missed.
"""

import argparse
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

AIMS = {"link one study": 1.0, "link one file": 1.0, "search": 5.0, "20,000 results": 3.0}
PANELS = (
    ("CD3", "CD4", "CD8", "CD45RA", "CCR7", "CD27"), ("CD3", "CD19", "CD20", "CD27", "IgD", "CD38"),
    ("CD3", "CD56", "CD16", "CD14", "HLA-DR", "CD11c"), ("CD3", "CD4", "CD25", "CD127", "CCR4", "CD45RO"),
    ("CD3", "CD4", "CXCR3", "CCR6", "CXCR5", "PD-1"),
)  # fmt: skip
FLUORS = ("FITC-A", "PE-A", "APC-A", "PerCP-Cy5-5-A", "Pacific Blue-A", "PE-Cy7-A")
TEXT = "|".join(f"$P{i}R=262144|$P{i}B=32|$P{i}E=0,0|$P{i}V={400 + i}" for i in range(1, 9))
BIOSAMPLE = (
    "BIOSAMPLE_ACCESSION STUDY_ACCESSION SUBJECT_ACCESSION PLANNED_VISIT_ACCESSION TYPE STUDY_TIME_COLLECTED "
    "STUDY_TIME_COLLECTED_UNIT STUDY_TIME_T0_EVENT"
)
RESULT = (
    "RESULT_ID STUDY_ACCESSION EXPSAMPLE_ACCESSION BIOSAMPLE_ACCESSION SUBJECT_ACCESSION POPULATION_NAME_REPORTED "
    "POPULATION_DEFNITION_REPORTED POPULATION_STATISTIC_REPORTED POPULATION_STAT_UNIT_REPORTED"
)

Rows = Iterator[tuple[object, ...]]


def package(folder: Path, number: int, n_samples: int, n_results: int = 0) -> Path:
    """Write the Tab package of one study; its files are ``<sample>.<file_info_id>.fcs``."""
    study = f"SDY{number}"
    base = number * 1_000_000
    n_subjects = max(n_samples // 10, 1)
    subject = [f"SUB{base + i % n_subjects}" for i in range(n_samples)]
    tables: dict[str, tuple[str, Rows]] = {
        "study": ("STUDY_ACCESSION BRIEF_TITLE CONDITION_STUDIED", iter([(study, f"Study {number}", "Health")])),
        "arm_or_cohort": (
            "ARM_ACCESSION STUDY_ACCESSION NAME",
            ((f"ARM{number * 10 + i}", study, ("Young", "Old")[i]) for i in range(2)),
        ),
        "subject": (
            "SUBJECT_ACCESSION GENDER RACE SPECIES",
            ((f"SUB{base + i}", ("Female", "Male")[i % 2], "White", "Homo sapiens") for i in range(n_subjects)),
        ),
        "arm_2_subject": (
            "ARM_ACCESSION SUBJECT_ACCESSION MIN_SUBJECT_AGE MAX_SUBJECT_AGE AGE_UNIT",
            (
                (f"ARM{number * 10 + (i % 71 > 35)}", f"SUB{base + i}", 20 + i % 71, 20 + i % 71, "Years")
                for i in range(n_subjects)
            ),
        ),
        "planned_visit": (
            "PLANNED_VISIT_ACCESSION STUDY_ACCESSION NAME ORDER_NUMBER",
            ((f"PV{number * 10 + i}", study, f"Day {i * 7}", i) for i in range(4)),
        ),
        "biosample": (
            BIOSAMPLE,
            (
                (f"BS{base + i}", study, subject[i], f"PV{number * 10 + i % 4}", ("PBMC", "Whole blood")[number % 2],
                 i % 4 * 7, "Days", "Time of enrollment")
                for i in range(n_samples)
            ),
        ),
        "experiment": (
            "EXPERIMENT_ACCESSION STUDY_ACCESSION MEASUREMENT_TECHNIQUE",
            iter([(f"EXP{number}", study, "Flow Cytometry")]),
        ),
        "expsample": (
            "EXPSAMPLE_ACCESSION EXPERIMENT_ACCESSION RESULT_SCHEMA",
            ((f"ES{base + i}", f"EXP{number}", "FCM") for i in range(n_samples)),
        ),
        "expsample_2_biosample": (
            "EXPSAMPLE_ACCESSION BIOSAMPLE_ACCESSION", ((f"ES{base + i}", f"BS{base + i}") for i in range(n_samples))
        ),
        "expsample_2_file_info": (
            "EXPSAMPLE_ACCESSION FILE_INFO_ID",
            (
                (f"ES{base + i}", file)
                for i in range(n_samples)
                for file in (base + i, base + 500_000 + i // 10)
            ),
        ),
        "file_info": (
            "FILE_INFO_ID NAME ORIGINAL_FILE_NAME DETAIL FILESIZE_BYTES",
            (
                (j, f"{name}.{j}.fcs", f"{name}.fcs", detail, 1000 + i)
                for i in range(n_samples)
                for j, name, detail in (
                    (base + i, f"sample_{i}", "Flow cytometry result"),
                    *([(base + 500_000 + i // 10, f"control_{i}", "Flow cytometry compensation or control")]
                      if i % 10 == 0 else []),
                )
            ),
        ),
        "fcs_header": (
            "FCS_HEADER_ID FILE_INFO_ID NUMBER_OF_EVENTS NUMBER_OF_MARKERS FCS_VERSION FCS_HEADER_TEXT",
            (
                (base + i, base + i, 100_000 + i, 8, "3.0", f"$FIL=tube_{i}.fcs|GUID=g-{base + i}|{TEXT}|")
                for i in range(n_samples)
            ),
        ),
        "fcs_header_marker": (
            "FCS_HEADER_ID PARAMETER_NUMBER PNN_REPORTED PNS_REPORTED",
            (
                (base + i, n, pnn, pns)
                for i in range(n_samples)
                for n, (pnn, pns) in enumerate(
                    [("FSC-A", ""), ("SSC-A", ""), *zip(FLUORS, PANELS[number % len(PANELS)], strict=True)], start=1
                )
            ),
        ),
        "fcs_analyzed_result": (
            RESULT,
            (
                (base + i, study, f"ES{base + i // 20}", f"BS{base + i // 20}", subject[i // 20 % n_samples],
                 f"population {i % 20}", f"CD3+, CD4{'+-'[i % 2]}, CD{20 + i % 20}+", 10 + i % 1000, "cells/uL")
                for i in range(n_results)
            ),
        ),
    }  # fmt: skip
    path = folder / f"{study}-DR50_Tab.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (header, rows) in tables.items():
            lines = ["\t".join(header.split()), *("\t".join(map(str, row)) for row in rows)]
            archive.writestr(f"{study}-DR50_Tab/Tab/{name}.txt", "\n".join(lines) + "\n")
    return path


def fill(store_path: Path, n_studies: int, n_samples: int) -> list[float]:
    """Load all studies; seconds of each load, without the making of the package."""
    from immport_cyto import immport

    seconds = []
    with tempfile.TemporaryDirectory() as name, immport.open_store(store_path) as store:
        for number in range(1, n_studies + 1):
            path = package(Path(name), number, n_samples)
            start = time.perf_counter()
            report = store.load(path)[0]
            seconds.append(time.perf_counter() - start)
            assert report.counts["result_files"] == n_samples
            path.unlink()
    return seconds


def best(call: Callable[[], object], repeats: int = 3) -> float:
    """Seconds of the fastest of some calls."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def questions(store_path: Path, n_studies: int, n_samples: int) -> dict[str, float]:
    """Seconds of each question."""
    from immport_cyto import immport

    number = n_studies // 2 + 1
    base = number * 1_000_000
    names = [f"sample_{i}.{base + i}.fcs" for i in range(n_samples)]

    def link(files: list[str]) -> None:
        with immport.open_store(store_path) as store:
            assert len(store.link(files)) == len(files)
            assert len(store.orphans) == n_samples - len(files)

    def search() -> None:
        with immport.open_store(store_path) as store:
            wanted = ["CD3", "CD4", "CD45RA", "CCR7"]
            assert len(store.search("studies", markers=wanted, biosample_type="PBMC", age_min=60)) > 0

    def results(path: Path) -> None:
        with immport.open_store() as store:
            store.load(path)
            assert len(store.results().populations) == 20_000

    link(names[:1])  # imports and compiled vocabularies are not what is asked here
    seconds = {"link one study": best(lambda: link(names)), "link one file": best(lambda: link(names[:1]))}
    seconds["search"] = best(search)
    with tempfile.TemporaryDirectory() as name:
        path = package(Path(name), 1, 1000, n_results=20_000)
        seconds["20,000 results"] = best(lambda: results(path))
    return seconds


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=2000, help="per study")
    parser.add_argument("--store", type=Path, help="keep the store here; one that is there is used as it is")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store_path = options.store or Path(name) / "immport.sqlite"
        if not store_path.exists():
            seconds = fill(store_path, options.studies, options.samples)
            tenth = max(len(seconds) // 10, 1)
            first, last = (sorted(part)[len(part) // 2] for part in (seconds[:tenth], seconds[-tenth:]))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"load: {len(seconds)} studies, {options.studies * options.samples} samples in {sum(seconds):.0f} s")
            print(f"load: median {first:.2f} s in the first tenth, {last:.2f} s in the last ({last / first:.2f} times)")
            print(f"load: peak memory {peak:.0f} MiB; store {store_path.stat().st_size / 2**20:.0f} MiB")
        missed = 0
        for what, taken in questions(store_path, options.studies, options.samples).items():
            missed += taken > AIMS[what]
            print(f"{what}: {taken:.2f} s (aim {AIMS[what]:.0f} s{', MISSED' if taken > AIMS[what] else ''})")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
