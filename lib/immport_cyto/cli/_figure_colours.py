"""What the events of a figure are coloured by: density, a marker, clusters, populations or groups of files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._cluster_results import FILE
from immport_cyto.cli._figure_cuts import Lines
from immport_cyto.exceptions import OptionError, TableError

if TYPE_CHECKING:
    import numpy as np

    from immport_cyto.events.sampling import Sample
    from immport_cyto.population.marking import Marker
    from immport_cyto.report.figures import Colouring

CLUSTERS = ("FlowSOM_metacluster", "FlowSOM_node", "FLOCK_population")
NAMED = (CLUSTERS[0], CLUSTERS[2])
"""Those that clusters.tsv names."""
_FEW = 8  # different numbers of a column that still are groups, as in `figure density`

colour_option = click.option(
    "--colour-by", default="density", show_default=True, metavar="density|NAME",
    help="Colour of the events: how many are nearby, a channel of clusters (FlowSOM_metacluster, "
    "FLOCK_population), or a marker.",
)  # fmt: skip
clusters_option = click.option(
    "--clusters", "clusters_path", type=FILE,
    help="clusters.tsv with the names of the metaclusters or FLOCK populations, for --colour-by FlowSOM_metacluster or "
    "FLOCK_population.",
)  # fmt: skip
population_option = click.option(
    "--population", "populations", multiple=True, metavar="NAME=GATES",
    help="Colour the events of this population by --cutoffs, such as 'T=CD3+ CD19-'; may be repeated, the last one "
    "counts for an event of several. Instead of --colour-by.",
)  # fmt: skip
group_option = click.option(
    "--group", help="Colour the events by this column of --samples, such as arm_name, batch or age_years. Instead of "
    "--colour-by.",
)  # fmt: skip
samples_option = click.option("--samples", "samples_path", type=FILE, help="samples.tsv.")
cutoffs_option = click.option(
    "--cutoffs", "cutoffs_path", type=FILE,
    help="cutoffs.tsv: those of the panel of each file count, and of its study where --samples is given.",
)  # fmt: skip


@dataclass
class Colours:
    """What was asked for; `warnings` holds what a panel cannot answer once events are drawn."""

    by: str
    clusters: Path | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    markers: "Mapping[str, Marker]" = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    groups: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, by: str, clusters: Path | None, populations: Sequence[str], cuts: Lines | None, files: Mapping[str, Path],
        group: str | None = None, groups: Mapping[str, Any] | None = None,
    ) -> "Colours":  # fmt: skip
        """Check the options, and fit the populations to the panel of each file; `groups` are the values of `group`."""
        if clusters is not None and by not in NAMED:
            msg = f"--clusters names clusters, so it needs --colour-by {' or '.join(NAMED)}"
            raise click.UsageError(msg)
        ways = {"--population": bool(populations), "--group": bool(group), "--colour-by": by != "density"}
        given = [option for option, is_given in ways.items() if is_given]
        if len(given) > 1:
            many = {2: "two", 3: "three"}[len(given)]
            msg = f"{' and '.join(given)} give the colour in {many} ways; leave all but one of them out"
            raise click.UsageError(msg)
        if group:
            return cls(group.replace("_", " "), groups=groups or {})
        if not populations:
            return cls(by, clusters)
        if cuts is None:
            msg = "--population needs --cutoffs, which say which events are positive"
            raise click.UsageError(msg)
        return cls._of_populations(populations, cuts, files)

    @classmethod
    def _of_populations(cls, populations: Sequence[str], cuts: Lines, files: Mapping[str, Path]) -> "Colours":
        import pandas as pd

        from immport_cyto import tables
        from immport_cyto.population.marking import marker

        rows = []
        for text in populations:
            name, _, gates = text.partition("=")
            if not name.strip() or not gates.strip():
                msg = f"{text!r} is not of the form NAME=GATES, such as 'T cells=CD3+ CD19-'"
                raise click.BadParameter(msg, param_hint="--population")
            rows.append({"population": name.strip(), "definition": gates.strip()})
        definitions = tables.conform(pd.DataFrame(rows), tables.DEFINITIONS)
        by_group: dict[tuple[str | None, str], Marker] = {}
        found = {}
        for name in files:
            group = ((cuts.studies or {}).get(name), cuts.panels[name])
            if group not in by_group:
                by_group[group] = marker(definitions, cuts.table, *group)
            found[name] = by_group[group]
        notes = [note for one in by_group.values() for note in one.notes]
        numbered = dict(enumerate(definitions["population"], start=1))
        return cls("population", None, numbered, found, list(dict.fromkeys(notes)))

    def sample(
        self, files: Mapping[str, Path], columns: Sequence[str], most: int, seed: int, cofactor: float | None
    ) -> "tuple[Sample, Colouring]":
        """Draw events of each file, and their colours."""
        import numpy as np

        from immport_cyto import report
        from immport_cyto.events.sampling import Sample, sample

        n = len(columns)
        if self.groups:
            drawn = sample(files, columns, most, seed, cofactor)
            return drawn, self._of_groups(drawn)
        if not self.markers:
            asked = [*columns, *([] if self.by == "density" else [self.by])]
            drawn = sample(files, asked, most, seed, cofactor)
            colouring = self._colouring(drawn.values[:, n:], files)
        else:
            names = sorted(files)
            parts = [
                sample({name: files[name]}, [*columns, *self.markers[name].markers], most, seed, cofactor)
                for name in names
            ]
            codes = [self.markers[name].mark(part.values[:, n:]) for name, part in zip(names, parts, strict=True)]
            member = np.repeat(np.arange(len(names)), [len(part.values) for part in parts])
            values = np.concatenate([part.values[:, :n] for part in parts])
            total, lost = sum(part.n_events for part in parts), sum(part.n_nonfinite for part in parts)
            drawn = Sample(tuple(columns), values, member, tuple(names), total, lost)
            colouring = report.figures.Colouring("population", np.concatenate(codes), self.names, is_cluster=True)
        return Sample(tuple(columns), drawn.values[:, :n], drawn.file, drawn.files, drawn.n_events,
                      drawn.n_nonfinite), colouring  # fmt: skip

    def _of_groups(self, drawn: "Sample") -> "Colouring":
        """Numbers from 1 in order of the values of the files; of many different numbers the values."""
        import numpy as np

        from immport_cyto import report

        of_files = [self.groups[name] for name in drawn.files]
        known = sorted({value for value in of_files if value != ""})
        if len(known) > _FEW and all(isinstance(value, float) for value in of_files):
            return report.figures.Colouring(self.by, np.array(of_files)[drawn.file])
        number = {value: place for place, value in enumerate(known, start=1)}
        names = {place: f"{value:g}" if isinstance(value, float) else value for value, place in number.items()}
        codes = np.array([number.get(value, 0) for value in of_files], np.int64)
        return report.figures.Colouring(self.by, codes[drawn.file], names, is_cluster=True, numbered=False)

    def _colouring(self, extra: "np.ndarray", files: Mapping[str, Path]) -> "Colouring":
        import numpy as np

        from immport_cyto import report

        if self.by == "density":
            return report.figures.Colouring()
        values = extra[:, 0]
        if not _is_clusters(self.by, next(iter(files.values()))):
            return report.figures.Colouring(self.by, values)
        if not np.array_equal(values, np.rint(values)):
            msg = f"channel {self.by!r} does not hold whole numbers of clusters; choose another for --colour-by"
            raise OptionError(msg)
        names = _cluster_names(self.clusters, files) if self.clusters else {}
        return report.figures.Colouring(self.by, np.rint(values).astype(np.int64), names, is_cluster=True)


def _is_clusters(name: str, path: Path) -> bool:
    """Whether a channel holds numbers of clusters: one of ours, or one that a stage of ours derived."""
    from immport_cyto import fcs
    from immport_cyto.events.sampling import find_channel

    if name in CLUSTERS:
        return True
    with fcs.open(path) as source:
        number = source.channels[find_channel(source, name, path.name)].number
        return source.keywords.get(f"ICYTO_P{number}ROLE") == "derived"


def _cluster_names(path: Path, files: Mapping[str, Path]) -> dict[int, str]:
    """Names of the metaclusters of the one panel that the files are of."""
    from immport_cyto import fcs, tables

    clusters = tables.read(path, tables.CLUSTERS)
    panels = set()
    for file in files.values():
        with fcs.open(file) as source:
            panels.add(source.keywords.get("ICYTO_PANEL", "").strip())
    rows = clusters[clusters["panel_id"].isin([*panels, ""])]
    if rows["metacluster"].duplicated().any() or rows.empty:
        what = "metaclusters of several models" if len(rows) else "no metacluster"
        msg = f"{path}: holds {what} for these files; give files and clusters of one study and panel"
        raise TableError(msg)
    return {
        int(number): str(name or phenotype)
        for number, name, phenotype in zip(rows["metacluster"], rows["population"], rows["phenotype"], strict=True)
        if name or phenotype
    }
