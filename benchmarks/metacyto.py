"""The vignette of MetaCyto (14 files, three panels) by --method metacyto, step by step and as a run with all figures.

    python benchmarks/metacyto.py ../shared/data/metacyto

The folder holds `extdata` (the files) and `golden/00_timings_b.csv` (seconds of MetaCyto 1.20.0 in R, on another
machine). All is done in this process, on one core; the aim is 30 s for the run.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from immport_cyto import metacyto, study

STUDY = """\
method: metacyto
cluster: {{clustering: flowhc}}
studies:
  - {{metadata: {data}/SDY420/SDY420-DR19_Subject_2_CyTOF_result.txt, fcs: {data}/SDY420/ResultFiles}}
  - {{metadata: {data}/SDY736/SDY736-DR19_Subject_2_Flow_cytometry_result.txt, fcs: {data}/SDY736/ResultFiles}}
populations:
  - {{population: CCR7+ CD8 T cells, definition: CD3+ CD4- CD8+ CCR7+}}
preprocess: {{rename: {{CD8B: CD8}}}}
"""


def timed(name: str, work: Callable[[], Any], in_r: float | None = None) -> Any:
    """Do the work and print its seconds."""
    start, start_cpu = time.perf_counter(), time.process_time()
    result = work()
    beside = f"{in_r:8.1f}" if in_r is not None else ""
    print(f"{name:40} {time.perf_counter() - start:8.2f} {time.process_time() - start_cpu:8.2f} {beside}")
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    data = parser.parse_args().folder.resolve() / "extdata"
    if not data.is_dir():
        sys.exit(f"{data}: no such folder; give the folder with MetaCyto's example data")
    in_r: dict[str, float] = {}
    timings = data.parent / "golden" / "00_timings_b.csv"
    if timings.is_file():
        with timings.open(newline="") as stream:
            in_r = {row["step"]: float(row["seconds"]) for row in csv.DictReader(stream)}
    print(f"{'step':40} {'seconds':>8} {'CPU':>8} {'R':>8}")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        panels: dict[str, dict[str, Path]] = {}

        def preprocess() -> None:
            for source in sorted(data.rglob("*.fcs")):
                target = out / source.name
                metacyto.preprocess(source, target, file_name=source.name, rename={"CD8B": "CD8"})
                panel = "-".join(metacyto.stack({source.name: target}).markers)
                panels.setdefault(panel, {})[source.name] = target

        timed("preprocess 14 files", preprocess)
        labels = timed(
            "cluster and label three panels",
            lambda: metacyto.unite(metacyto.auto_cluster(files, seed=1, clustering="flowhc", with_members=False).labels
                                   for files in panels.values()),
            in_r.get("autoCluster.batch flowHC (3 panels, 14000 cells)"),
        )  # fmt: skip
        wanted = metacyto.whole_labels(labels)
        timed(
            "search three panels",
            lambda: [metacyto.search(metacyto.stack(files), wanted, seed=1) for files in panels.values()],
            in_r.get("searchCluster.batch ifPlot=TRUE (3 panels)"),
        )
        (out / "study.yaml").write_text(STUDY.format(data=data))
        timed(
            "study run, all figures, report",
            lambda: study.run(study.read(out / "study.yaml"), out / "run", jobs=1, quiet=True),
        )


if __name__ == "__main__":
    main()
