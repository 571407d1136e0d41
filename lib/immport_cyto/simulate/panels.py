"""The panels of the simulated laboratories: the same antigens under different channels and spellings.

The antigen of each channel is the truth that harmonisation has to find from $PnN and $PnS alone.
"""

from dataclasses import dataclass
from typing import Literal

Technique = Literal["flow", "cytof"]

TECHNIQUE_NAMES = {"flow": "Flow Cytometry", "cytof": "CyTOF"}
"""As ImmPort writes them in experiment.measurement_technique."""


@dataclass(frozen=True)
class ChannelDesign:
    """One channel of a panel.

    Attributes
    ----------
    pnn, pns
        As in the file.
    role
        As in the PANEL contract.
    antigen
        Preferred name of the marker; empty where the channel measures none.
    reporter
        Fluorochrome or metal isotope as a reagent list would give it.
    """

    pnn: str
    pns: str
    role: str
    antigen: str = ""
    reporter: str = ""


@dataclass(frozen=True)
class PanelDesign:
    """One panel of one laboratory."""

    key: str
    technique: Technique
    cytometer: str
    version: str
    spill_keyword: str
    channels: tuple[ChannelDesign, ...]

    @property
    def stained(self) -> tuple[ChannelDesign, ...]:
        """Channels with a detector for a dye or a metal, in the order of the file."""
        return tuple(c for c in self.channels if c.role in ("marker", "viability", "detector", "dna", "bead", "empty"))

    @property
    def markers(self) -> tuple[str, ...]:
        """Antigens in the order of the file."""
        return tuple(c.antigen for c in self.channels if c.role == "marker")


def _scatter(*names: str) -> tuple[ChannelDesign, ...]:
    return tuple(ChannelDesign(name, "", "scatter") for name in names)


def _marker(pnn: str, pns: str, antigen: str, reporter: str) -> ChannelDesign:
    return ChannelDesign(pnn, pns, "marker", antigen, reporter)


_TIME = (ChannelDesign("Time", "", "time"),)

BACKBONE = PanelDesign(
    "backbone", "flow", "LSRII", "3.1", "SPILL",
    (
        *_scatter("FSC-A", "FSC-H", "FSC-W", "SSC-A", "SSC-H", "SSC-W"),
        _marker("FITC-A", "CD45RA", "CD45RA", "FITC"),
        _marker("PE-A", "CD25", "CD25", "PE"),
        ChannelDesign("PE-Texas Red-A", "", "detector", "", ""),
        _marker("PerCP-Cy5-5-A", "CD4", "CD4", "PerCP-Cy5.5"),
        _marker("PE-Cy7-A", "CD56", "CD56", "PE-Cy7"),
        _marker("APC-A", "CD127", "CD127", "APC"),
        _marker("Alexa Fluor 700-A", "CD8", "CD8", "Alexa Fluor 700"),
        _marker("APC-H7-A", "CD3", "CD3", "APC-H7"),
        _marker("V450-A", "CD19", "CD19", "V450"),
        ChannelDesign("AmCyan-A", "Live/Dead", "viability", "", "LIVE/DEAD Fixable Aqua"),
        _marker("BV605-A", "CD14", "CD14", "BV605"),
        _marker("BV650-A", "CD16", "CD16", "BV650"),
        _marker("BV711-A", "CCR7", "CCR7", "BV711"),
        _marker("BV785-A", "HLA-DR", "HLA-DR", "BV785"),
        *_TIME,
    ),
)  # fmt: skip
"""One wide flow panel, marker in $PnS, one detector without a stain."""

T_CELL = PanelDesign(
    "tcell", "flow", "FACSCanto II", "3.1", "$SPILLOVER",
    (
        *_scatter("FSC-A", "FSC-H", "SSC-A"),
        _marker("FITC-A", "CD45RA FITC-A", "CD45RA", "FITC"),
        _marker("PE-A", "TCRgd PE-A", "TCRgd", "PE"),
        _marker("PerCP-Cy5-5-A", "CD4 PerCP Cy 5-5-A", "CD4", "PerCP Cy 5.5"),
        _marker("PE-Cy7-A", "CD197 PE Cy7-A", "CCR7", "PE Cy7"),
        _marker("APC-A", "hCD25 APC-A", "CD25", "APC"),
        _marker("APC-Cy7-A", "CD8 APC Cy7-A", "CD8", "APC Cy7"),
        _marker("Pacific Blue-A", "hCD3 Pacific Blue-A", "CD3", "Pacific Blue"),
        ChannelDesign("AmCyan-A", "Aqua Live Dead", "viability", "", "Aqua"),
        _marker("BV605-A", "CD127 BV605-A", "CD127", "BV605"),
        *_TIME,
    ),
)  # fmt: skip
"""First tube of a two-tube laboratory: marker and dye in $PnS."""

LINEAGE = PanelDesign(
    "lineage", "flow", "FACSCanto II", "3.1", "$SPILLOVER",
    (
        *_scatter("FSC-A", "FSC-H", "SSC-A"),
        _marker("FITC-A", "hCD19", "CD19", "FITC"),
        _marker("PE-A", "hCD56", "CD56", "PE"),
        _marker("PerCP-Cy5-5-A", "HLADR", "HLA-DR", "PerCP Cy 5.5"),
        _marker("PE-Cy7-A", "CD16 PE-Cy7", "CD16", "PE Cy7"),
        _marker("APC-A", "cd123", "CD123", "APC"),
        _marker("APC-Cy7-A", "CD3 APC-Cy7", "CD3", "APC Cy7"),
        _marker("Pacific Blue-A", "CD14 PacBlue", "CD14", "Pacific Blue"),
        ChannelDesign("AmCyan-A", "Aqua Live Dead", "viability", "", "Aqua"),
        _marker("BV605-A", "CD11c", "CD11c", "BV605"),
        *_TIME,
    ),
)  # fmt: skip
"""Second tube of the same laboratory."""


def _metal(element: str, mass: int, marker: str) -> ChannelDesign:
    isotope = f"{mass}{element}"
    spelling = {"HLA-DR": "HLADR", "TCRgd": "TCRgd"}.get(marker, marker)
    return _marker(f"{element}{mass}Di", f"{isotope}_{spelling}", marker, isotope)


MASS = PanelDesign(
    "mass", "cytof", "DVSSCIENCES-CYTOF-6.7.1014", "3.1", "",
    (
        *_TIME,
        ChannelDesign("Event_length", "", "event"),
        _metal("Y", 89, "CD45"),
        ChannelDesign("Pd102Di", "102Pd", "empty", "", ""),
        ChannelDesign("Ce140Di", "140Ce_Beads", "bead", "", "140Ce"),
        _metal("Pr", 141, "CCR7"),
        _metal("Nd", 142, "CD19"),
        _metal("Nd", 143, "CD45RA"),
        _metal("Nd", 145, "CD4"),
        _metal("Nd", 146, "CD8"),
        _metal("Sm", 149, "CD25"),
        _metal("Eu", 151, "CD123"),
        _metal("Sm", 152, "TCRgd"),
        _metal("Gd", 155, "CD56"),
        _metal("Gd", 160, "CD14"),
        _metal("Dy", 162, "CD11c"),
        _metal("Ho", 165, "CD16"),
        _metal("Er", 170, "CD3"),
        _metal("Yb", 174, "HLA-DR"),
        _metal("Yb", 176, "CD127"),
        ChannelDesign("Ir191Di", "191Ir_DNA1", "dna", "", "191Ir"),
        ChannelDesign("Ir193Di", "193Ir_DNA2", "dna", "", "193Ir"),
        ChannelDesign("Pt195Di", "195Pt_Cisplatin", "viability", "", "195Pt"),
        ChannelDesign("Center", "", "event"),
        ChannelDesign("Offset", "", "event"),
        ChannelDesign("Width", "", "event"),
        ChannelDesign("Residual", "", "event"),
    ),
)  # fmt: skip
"""One mass cytometry panel: metal in $PnN, metal and marker in $PnS."""

PANELS = {panel.key: panel for panel in (BACKBONE, T_CELL, LINEAGE, MASS)}
