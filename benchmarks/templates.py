"""Validation of large upload templates: rows per second of one core.

    python benchmarks/templates.py [--rows 100000]

Writes bioSamples, experimentSamples.Flow_Cytometry and FCM_Derived_data with that many rows each, validates each alone
(its IDs then are taken for ones in ImmPort, and every biosample of the samples is new and undescribed: six findings per
row) and all together (no finding per row). CPU time beside the aim; the exit code is 1 where it is missed.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from immport_cyto.immport import templates
from immport_cyto.immport.templates import Filled

AIM = 5.0  # seconds for 100,000 rows of one template


def filled(name: str, rows: int, columns: dict[str, str]) -> Filled:
    """A template whose cells are these texts, with {} for the number of the row."""
    base = templates.empty(name)
    frame = pd.DataFrame(
        {c: [columns.get(c, "").format(i) for i in range(rows)] for c in base.frame.columns}, dtype=object
    )
    return Filled(base.name, {"": frame}, base.schema)


def package(rows: int) -> list[Filled]:
    return [
        filled("biosamples", rows, {
            "User Defined ID": "blood-{}", "Type": "PBMC", "Name": "Draw {}", "Subject ID": "SUB1", "Study ID": "SDY1",
            "Planned Visit ID": "PV1", "Study Time Collected": "{}", "Study Time Collected Unit": "Days",
            "Study Time T0 Event": "Time of enrollment",
        }),
        filled("flow_cytometry", rows, {
            "Expsample ID": "tube-{}", "Biosample ID": "blood-{}", "Experiment ID": "EXP1",
            "Reagent ID(s)": "ESR1;ESR2", "Treatment ID(s)": "TRT1", ".Fcs Result File": "tube{}.fcs",
            "Compensation Or Control File Name(s)": "beads.fcs",
        }),
        filled("fcm_derived_data", rows, {
            "Expsample ID": "tube-{}", "Population Name Reported": "T: T cell", "Gating Definition Reported": "CD3+",
            "Population Statistic (count, percentile, etc)": "61.5", "Population Stat Unit Reported": "percentage",
            "Workspace File": "gates.wsp", "Comments": "sample {}",
        }),
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        names = templates.write(package(rows), folder)
        for name in [*names, "."]:
            start = time.process_time()
            report = templates.validate(Path(folder) / name, look_for_files=False)
            seconds = time.process_time() - start
            n_rows = sum(file.rows for file in report.files)
            aim = AIM * n_rows / 100_000
            missed |= seconds > aim
            print(
                f"{name:40} {n_rows:>8} rows  {len(report.findings):>8} findings  {seconds:6.1f} s  (aim {aim:.1f} s)"
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
