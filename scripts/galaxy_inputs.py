"""Make inputs of the Galaxy tool tests that no command writes: controls, a Gating-ML file, a file of a person.

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


def main() -> None:
    """Write all of it."""
    source, out = map(Path, sys.argv[1:])
    (out / "controls").mkdir(parents=True, exist_ok=True)
    controls(out / "controls")
    (out / "gates.xml").write_text(GATES)
    (out / "metacyto").mkdir(exist_ok=True)
    (out / "metacyto" / "stats.csv").write_text(METACYTO)
    (out / "metacyto" / "sample_info.csv").write_text(SAMPLE_INFO)
    with fcs.open(source) as file:
        keywords = dict(file.keywords) | {"$DATE": "03-FEB-2021", "$OP": "Jane Doe", "$BTIM": "10:00:00"}
        fcs.write(out / "personal.fcs", file.raw(), file.channels, keywords, version="3.1")


if __name__ == "__main__":
    main()
