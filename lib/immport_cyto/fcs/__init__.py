"""Read and write FCS files, versions 2.0 to 3.2.

::

    from immport_cyto import fcs

    f = fcs.open("sample.fcs")
    f.n_events, f.n_channels, f.channels[0].pnn, f.keywords["$CYT"], f.findings
    f.events(["FSC-A", "SSC-A"], stop=1000)     # scaled values, float32
    f.raw()                                     # stored values, exact, no copy where possible
    fcs.write("new.fcs", f.events(), f.channels, f.keywords)
"""

from immport_cyto.fcs.file import FCSFile
from immport_cyto.fcs.file import open_fcs as open  # noqa: A004 - fcs.open, as gzip.open
from immport_cyto.fcs.model import Channel, Finding
from immport_cyto.fcs.overview import info
from immport_cyto.fcs.spillover import Spillover
from immport_cyto.fcs.writer import write, write_blocks

__all__ = ["Channel", "FCSFile", "Finding", "Spillover", "info", "open", "write", "write_blocks"]
