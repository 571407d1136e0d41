"""The simulated studies that the pictures show, and what the whole way made of them."""

import contextlib
import io
from functools import cached_property
from pathlib import Path

import click
import pandas as pd

from immport_cyto import cluster, events, fcs, simulate, study, tables
from immport_cyto.cli._main import cli
from immport_cyto.exceptions import PackageError
from immport_cyto.report import figures

ROOT = Path(__file__).parents[2]
ONE = "SDY9903"  # the study of mass cytometry
NAIVE = "Naive CD4 T cells"
GALAXY = ROOT / "test-data" / "galaxy"
PUBLISHED = GALAXY / "published"


class Demo:
    """The studies of the demonstration and what the whole way made of them, read when it is asked for."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def run(self) -> None:
        """Simulate, and run the whole way."""
        simulate.studies(self.work / "studies", preset="demo", seed=1)
        study.run(study.read(self.work / "studies" / "study.yaml"), self.work / "run", quiet=True)

    def table(self, contract: tables.Table) -> pd.DataFrame:
        """A table of the run."""
        return tables.read(self.work / "run" / contract.name, contract)

    def of_one(self, contract: tables.Table) -> pd.DataFrame:
        """Its rows of one study."""
        frame = self.table(contract)
        return frame[frame["study_accession"] == ONE].reset_index(drop=True)

    @cached_property
    def raw(self) -> dict[str, Path]:
        """FCS files as acquired, by name."""
        return {path.name: path for path in sorted((self.work / "studies").glob("SDY*/ResultFiles/*/*.fcs"))}

    @cached_property
    def files(self) -> dict[str, Path]:
        """Files of one study with their clusters."""
        samples = self.of_one(tables.SAMPLES)
        return {name: self.work / "run" / "fcs" / name for name in sorted(samples["file_name"])}

    @cached_property
    def model(self) -> cluster.FlowSOM:
        """Model of one study."""
        (path,) = (self.work / "run" / "models").glob(f"{ONE}-*.npz")
        return cluster.load(path)

    @cached_property
    def names(self) -> dict[int, str]:
        """Names of its metaclusters."""
        rows = self.of_one(tables.CLUSTERS)
        return {int(number): str(name) for number, name in zip(rows["metacluster"], rows["population"], strict=True)}

    @cached_property
    def nodes(self) -> figures.Nodes:
        """Its map."""
        model = self.model
        return figures.Nodes(model.grid, model.spanning_tree(), model.metaclusters_, model.node_counts_, self.names)

    def values(self, name: str) -> pd.DataFrame:
        """Markers of one preprocessed file."""
        file = fcs.open(self.files[name])
        channels = events.markers(file)
        return pd.DataFrame(file.events(list(channels.values())), columns=list(channels))

    def cutoffs(self) -> dict[str, float]:
        """Cut-off of each marker in one study."""
        rows = self.of_one(tables.CUTOFFS).dropna(subset="cutoff")
        return dict(zip(rows["marker"], rows["cutoff"], strict=True))


def short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].rsplit(' ', 1)[0]} ..."


def published(contract: tables.Table, name: str = "") -> pd.DataFrame:
    """A table of the simulated studies with published results."""
    return tables.read(PUBLISHED / (name or contract.name), contract)


def called(*arguments: str | Path) -> str:
    """Run a command, and give what it printed; findings on a package are in its table."""
    printed = io.StringIO()
    silent = contextlib.redirect_stderr(io.StringIO())
    with contextlib.redirect_stdout(printed), silent, contextlib.suppress(click.exceptions.Exit, PackageError):
        cli.main([str(one) for one in arguments], standalone_mode=False)
    return printed.getvalue()


def text_table(path: Path, columns: list[str], rows: int = 3) -> pd.DataFrame:
    """Some columns of the first rows of a table, as text."""
    frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    return frame[columns].head(rows)
