"""Make inputs of the Galaxy tool tests that no command writes: controls, a Gating-ML file, a file of a person, visits.

``python scripts/galaxy_inputs.py FILE OUT``; FILE is an FCS file with the channels of a simulated study.
"""

import sys
from pathlib import Path

import numpy as np

from immport_cyto import fcs

DETECTORS = ("FITC-A", "PE-A", "APC-A")
SPILLOVER = np.array([[1.0, 0.2, 0.0], [0.05, 1.0, 0.02], [0.0, 0.01, 1.0]])
EVENTS = 400
GATES = """<?xml version="1.0"?>
<gating:Gating-ML xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating"
    xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes">
  <gating:RectangleGate gating:id="Cells">
    <gating:dimension gating:compensation-ref="uncompensated" gating:min="40000">
      <data-type:fcs-dimension data-type:name="FSC-A"/>
    </gating:dimension>
  </gating:RectangleGate>
  <gating:RectangleGate gating:id="CD45RA bright" gating:parent_id="Cells">
    <gating:dimension gating:compensation-ref="uncompensated" gating:min="2000">
      <data-type:fcs-dimension data-type:name="FITC-A"/>
    </gating:dimension>
  </gating:RectangleGate>
</gating:Gating-ML>
"""

METACYTO = """study_id,fcs_files,cluster_id,label,fcs_names,CD3,CD4,fraction
study1,a.fcs,cluster1,CD3+|CD4+,a.fcs,4.5,4.1,0.25
study1,b.fcs,cluster1,CD3+|CD4+,b.fcs,4.4,4.0,0.3
"""
SAMPLE_INFO = """fcs_files,study_id,Subject Age,Gender
a.fcs,study1,30,Female
b.fcs,study1,60,Male
"""


def controls(out: Path) -> None:
    """One stained control per detector, and an unstained one; known spillover."""
    rng = np.random.default_rng(1)
    for stained in (*range(len(DETECTORS)), None):
        light = np.zeros((EVENTS, len(DETECTORS)))
        if stained is not None:
            light[: EVENTS // 2, stained] = rng.lognormal(9, 0.4, EVENTS // 2)
        scatter = rng.normal((60_000, 30_000), (8_000, 5_000), (EVENTS, 2))
        values = np.column_stack([scatter, light @ SPILLOVER + rng.normal(50, 30, light.shape)])
        channels = [(name, "") for name in ("FSC-A", "SSC-A", *DETECTORS)]
        name = "unstained" if stained is None else DETECTORS[stained].removesuffix("-A")
        keywords = {"$CYT": "LSRII", "$SPILLOVER": ""}
        fcs.write(out / f"{name}.fcs", values.astype(np.float32), channels, keywords, version="3.1")
    (out / "controls.tsv").write_text("file_name\tfcs_colname\nFITC.fcs\tFITC-A\nPE.fcs\tPE-A\n")


def visits(out: Path) -> None:
    """Eight subjects on two days: to day 28 the log odds rise by about 0.5, CD38 by a hundredth of the age."""
    days = ["subject_accession\tfile_name\tsample_id\tstudy_accession\tstudy_time_days\tage_years"]
    counts = [
        "study_accession\tpanel_id\tsample_id\tfile_name\tmethod\tpopulation\tdefinition\tn_events\tn_parent\tfraction"
    ]
    medians = ["file_name\tmethod\tpopulation\tmarker\tmedian"]
    for subject in range(1, 9):
        age = 20 + 5 * subject
        for day in (0, 28):
            sample = f"ES{subject}{day:02d}"
            log_odds = -2 + 0.1 * subject + (0.5 + 0.01 * (-1) ** subject if day else 0)
            fraction = 1 / (1 + np.exp(-log_odds))
            days.append(f"SUB{subject}\t{sample}.fcs\t{sample}\tSDY9907\t{day}\t{age}")
            counts.append(
                f"SDY9907\tp1\t{sample}\t{sample}.fcs\tsearch\tPlasmablasts\tCD19+ CD38+\t"
                f"{round(fraction * 1e6)}\t1000000\t{fraction:.9f}"
            )
            rise = 0.01 * age + 0.02 * (-1) ** subject if day else 0
            medians += [
                f"{sample}.fcs\tsearch\tPlasmablasts\tCD38\t{3 + rise:.3f}",
                f"{sample}.fcs\tsearch\tPlasmablasts\tCD27\t{2 + 0.1 * (subject % 3):.3f}",
            ]
    for name, lines in (("samples", days), ("populations", counts), ("medians", medians)):
        (out / f"{name}.tsv").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Write all of it."""
    source, out = map(Path, sys.argv[1:])
    (out / "controls").mkdir(parents=True, exist_ok=True)
    controls(out / "controls")
    (out / "visits").mkdir(exist_ok=True)
    visits(out / "visits")
    (out / "gates.xml").write_text(GATES)
    (out / "metacyto").mkdir(exist_ok=True)
    (out / "metacyto" / "stats.csv").write_text(METACYTO)
    (out / "metacyto" / "sample_info.csv").write_text(SAMPLE_INFO)
    with fcs.open(source) as file:
        keywords = dict(file.keywords) | {"$DATE": "03-FEB-2021", "$OP": "Jane Doe", "$BTIM": "10:00:00"}
        fcs.write(out / "personal.fcs", file.raw(), file.channels, keywords, version="3.1")


if __name__ == "__main__":
    main()
