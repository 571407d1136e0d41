"""``study.yaml``: what to run, read and checked before any work starts."""

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

from immport_cyto.exceptions import InputError, OptionError

METHODS = ("standard", "metacyto")
"""``method``: that of this project, or the R package MetaCyto repeated."""

_METACYTO_KEYS = {
    "preprocess": ("cofactor", "max_events", "seed", "rename"),
    "cluster": ("clustering", "seed"),
    "model": ("formula", "term"),
    "pool": (),
}

COMPENSATIONS = ("auto", "file", "none")
"""Words of ``preprocess.compensation``; anything else is the path of a table."""


@dataclass(frozen=True)
class StudyInput:
    """One study: where its metadata and its FCS files are."""

    metadata: tuple[Path, ...]
    fcs: tuple[Path, ...]


@dataclass(frozen=True)
class PreprocessOptions:
    """Options of ``events preprocess``."""

    compensation: str = "auto"
    transform: str = "auto"
    cofactor: float | None = None
    qc: str = "auto"
    max_events: int | None = None
    seed: int = 42
    thresholds: tuple[str, ...] = ()
    method: str = "standard"
    rename: tuple[tuple[str, str], ...] = ()

    @property
    def table(self) -> Path | None:
        """The table of `compensation`, where it is one."""
        return None if self.compensation in COMPENSATIONS else Path(self.compensation)

    def described(self) -> dict[str, Any]:
        """The options, a table by its name only: the same for the same work, whatever the folder."""
        return {**asdict(self), "compensation": self.table.name if self.table else self.compensation}


@dataclass(frozen=True)
class ClusterOptions:
    """Options of ``cluster flowsom``."""

    grid: tuple[int, int] = (10, 10)
    metaclusters: int | Literal["auto"] = 10
    markers: tuple[str, ...] | None = None
    rlen: int = 10
    seed: int = 42
    clustering: str = "flowsom"


@dataclass(frozen=True)
class ModelOptions:
    """Options of ``meta effects``."""

    formula: str = "age_years + sex"
    term: str | None = None
    scale: str = "logit"
    baseline: dict[str, str] | None = None
    min_samples: int | None = None


@dataclass(frozen=True)
class PoolOptions:
    """Options of ``meta pool``."""

    method: str = "REML"
    test: str = "hartung-knapp"


@dataclass(frozen=True)
class StudyConfig:
    """A whole run."""

    title: str
    studies: tuple[StudyInput, ...]
    corrections: Path | None = None
    preprocess: PreprocessOptions = field(default_factory=PreprocessOptions)
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    populations: Path | tuple[dict[str, str], ...] | None = None
    model: ModelOptions = field(default_factory=ModelOptions)
    pool: PoolOptions = field(default_factory=PoolOptions)
    truth: Path | None = None
    method: str = "standard"

    def parameters(self) -> dict[str, Any]:
        """The options without folders, for the provenance; files have their checksums there."""
        populations = self.populations
        return {
            "method": self.method,
            "preprocess": self.preprocess.described(),
            "cluster": asdict(self.cluster),
            "populations": populations.name if isinstance(populations, Path) else populations,
            "corrections": self.corrections and self.corrections.name,
            "model": asdict(self.model),
            "pool": asdict(self.pool),
        }

    def inputs(self) -> list[Path]:
        """All files that the configuration names but the FCS files; of a folder of metadata, the files in it."""
        metadata = [path for study in self.studies for path in study.metadata]
        found = [file for path in metadata for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
        found += [path for path in (self.corrections, self.populations, self.truth) if isinstance(path, Path)]
        return found + ([table] if (table := self.preprocess.table) else [])


EXAMPLE = """\
    title: Age and T cells
    studies:
      - metadata: SDY420-DR40_Tab.zip     # Tab package (zip or folder) or Subject_2 table; or a list of them
        fcs: SDY420/ResultFiles           # searched for FCS files; or a list of folders and files
      - metadata: SDY736-DR40_Tab.zip
        fcs: SDY736/ResultFiles
    populations: definitions.tsv          # or a list as in the README; default: standard populations
    model: {formula: age_years + sex, term: age_years, scale: logit, baseline: {sex: Female}, min_samples: 8}
    panels: {corrections: corrections.tsv}
    preprocess: {compensation: auto, transform: auto, cofactor: 150, qc: auto, max_events: 50000, seed: 42}
      # transform: arcsinh, or logicle with one scale per channel for all files of a panel
      # thresholds: ["debris: FSC-A < 30000"]  instead of the automatic gates
    cluster: {grid: [10, 10], metaclusters: 10, markers: [CD3, CD4, CD8], rlen: 10, seed: 42}
    pool: {method: REML, test: hartung-knapp}
    method: standard                      # metacyto repeats the R package MetaCyto, weaknesses included,
      # with preprocess: {rename: {CD8B: CD8}} and cluster: {clustering: flowsom} or flowhc
    truth: effects.tsv                    # true effects of simulated studies, for the report
"""

_TOP = ("title", "studies", "panels", "preprocess", "cluster", "populations", "model", "pool", "truth", "method")


def read(path: Path | str) -> StudyConfig:
    """Read and check ``study.yaml``; relative paths are relative to its folder.

    Raises
    ------
    InputError
        The file, or a path that it names, does not exist or is not YAML.
    OptionError
        A key is unknown or missing, or has a value of the wrong kind.
    """
    import yaml

    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); check the path"
        raise InputError(msg) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, a date such as 2020-99-99
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        msg = f"{path}: is not valid YAML{line}; compare with the example of  immport-cyto study run --help"
        raise InputError(msg) from error
    return _Reader(path).config(content)


class _Reader:
    """Checks values and names the key in each message."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.parent

    def fail(self, key: str, problem: str) -> NoReturn:
        msg = f"{self.path}: {key} {problem}"
        raise OptionError(msg)

    def config(self, content: object) -> StudyConfig:
        top = self.mapping(content, "the file", _TOP)
        panels = self.mapping(top.get("panels"), "panels", ("corrections",))
        corrections = panels.get("corrections")
        truth = top.get("truth")
        method = self.choice(top.get("method", "standard"), "method", METHODS)
        if method == "metacyto":
            self.refuse_options_of_standard(top)
        return StudyConfig(
            title=str(top.get("title") or "Cytometry of ImmPort studies"),
            studies=self.studies(top.get("studies")),
            corrections=self.existing(corrections, "panels.corrections") if corrections else None,
            preprocess=self.preprocess(top.get("preprocess"), method),
            cluster=self.cluster(top.get("cluster"), method),
            populations=self.populations(top.get("populations")),
            model=self.model(top.get("model")),
            pool=self.pool(top.get("pool")),
            truth=self.existing(truth, "truth") if truth else None,
            method=method,
        )

    def refuse_options_of_standard(self, top: Mapping[str, Any]) -> None:
        for section, known in _METACYTO_KEYS.items():
            for key in self.mapping(top.get(section), section, tuple(top.get(section) or ())):
                if key not in known:
                    self.fail(f"{section}.{key}", "has no meaning with method: metacyto; leave one of them out")

    def mapping(self, value: object, name: str, allowed: tuple[str, ...]) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.fail(name, f"must hold keys and values ({', '.join(allowed)})")
        for key in value:
            if key not in allowed:
                close = difflib.get_close_matches(str(key), allowed, 1)
                hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(allowed)}"
                self.fail(name, f"has an unknown key {str(key)!r}{hint}")
        return value

    def existing(self, value: object, name: str) -> Path:
        path = self.folder / str(value)
        try:
            there = path.exists()
        except (OSError, ValueError):  # too long for a path, or with a zero byte
            there = False
        if not there:
            msg = f"{self.path}: {name} names {str(value)!r}, which does not exist; correct the path"
            raise InputError(msg)
        return path

    def paths(self, value: object, name: str) -> tuple[Path, ...]:
        if value is None or value == []:
            self.fail(name, "is missing; give a path")
        given = value if isinstance(value, list) else [value]
        return tuple(self.existing(item, name) for item in given)

    def studies(self, value: object) -> tuple[StudyInput, ...]:
        if not isinstance(value, list) or not value:
            self.fail("studies", "must be a list with at least one study (metadata and fcs)")
        found = []
        for number, item in enumerate(value, start=1):
            name = f"studies[{number}]"
            entry = self.mapping(item, name, ("metadata", "fcs"))
            found.append(
                StudyInput(
                    metadata=self.paths(entry.get("metadata"), f"{name}.metadata"),
                    fcs=self.paths(entry.get("fcs"), f"{name}.fcs"),
                )
            )
        return tuple(found)

    def number(self, value: object, name: str, low: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < math.inf:
            self.fail(name, f"is {value!r}; give a number of at least {low:g}")
        return float(value)

    def whole(self, value: object, name: str, low: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            self.fail(name, f"is {value!r}; give a whole number of at least {low}")
        return value

    def choice(self, value: object, name: str, allowed: tuple[str, ...]) -> str:
        if value not in allowed:
            self.fail(name, f"is {value!r}; choose one of {', '.join(allowed)}")
        return str(value)

    def preprocess(self, value: object, method: str) -> PreprocessOptions:
        keys = ("compensation", "transform", "cofactor", "qc", "thresholds", "max_events", "seed", "rename")
        given = self.mapping(value, "preprocess", keys)
        default = PreprocessOptions()
        compensation = str(given.get("compensation", default.compensation))
        if compensation not in COMPENSATIONS:
            compensation = str(self.existing(compensation, "preprocess.compensation"))
        limit, cofactor = given.get("max_events"), given.get("cofactor")
        quality = self.choice(given.get("qc", default.qc), "preprocess.qc", ("auto", "none"))
        return PreprocessOptions(
            compensation=compensation,
            transform=self.choice(
                given.get("transform", default.transform),
                "preprocess.transform",
                ("auto", "arcsinh", "logicle", "hyperlog", "log", "linear"),
            ),
            cofactor=None if cofactor is None else self.number(cofactor, "preprocess.cofactor", 1e-6),
            qc=quality,
            max_events=None if limit is None else self.whole(limit, "preprocess.max_events", 1),
            seed=self.whole(given.get("seed", default.seed), "preprocess.seed", 0),
            thresholds=self.thresholds(given.get("thresholds"), quality),
            method=method,
            rename=self.rename(given.get("rename"), method),
        )

    def thresholds(self, value: object, quality: str) -> tuple[str, ...]:
        from immport_cyto.events.thresholds import parse_rules

        if value is None:
            return ()
        rules = value
        if isinstance(value, Mapping):
            # a rule without quotes is a mapping to YAML, and its off is false
            rules = [f"{reason}: {'off' if rule is False else rule}" for reason, rule in value.items()]
        if not isinstance(rules, list) or not all(isinstance(rule, str) for rule in rules):
            self.fail("preprocess.thresholds", f"is {value!r}; give a list such as ['debris: FSC-A < 30000']")
        try:
            parse_rules(rules)
        except OptionError as error:
            self.fail("preprocess.thresholds", str(error))
        if quality == "none":
            self.fail("preprocess.thresholds", "has no use with qc: none; leave one of them out")
        return tuple(rules)

    def rename(self, value: object, method: str) -> tuple[tuple[str, str], ...]:
        if value is None:
            return ()
        if method != "metacyto":
            self.fail("preprocess.rename", "is for method: metacyto; give panels.corrections instead")
        if not isinstance(value, Mapping):
            self.fail("preprocess.rename", f"is {value!r}; give old and new names of markers, as in CD8B: CD8")
        return tuple((str(old), str(new)) for old, new in value.items())

    def cluster(self, value: object, method: str) -> ClusterOptions:
        given = self.mapping(value, "cluster", ("grid", "metaclusters", "markers", "rlen", "seed", "clustering"))
        clustering = self.choice(given.get("clustering", "flowsom"), "cluster.clustering", ("flowsom", "flowhc"))
        if clustering == "flowhc" and method != "metacyto":
            self.fail("cluster.clustering", "is for method: metacyto; leave it out")
        default = ClusterOptions()
        grid = given.get("grid", list(default.grid))
        if not isinstance(grid, list) or len(grid) != 2:
            self.fail("cluster.grid", f"is {grid!r}; give two numbers such as [10, 10]")
        metaclusters = given.get("metaclusters", default.metaclusters)
        markers = given.get("markers")
        if markers is not None and (not isinstance(markers, list) or not markers):
            self.fail("cluster.markers", "must be a list of marker names, or be left out")
        return ClusterOptions(
            grid=(self.whole(grid[0], "cluster.grid", 2), self.whole(grid[1], "cluster.grid", 2)),
            metaclusters="auto" if metaclusters == "auto" else self.whole(metaclusters, "cluster.metaclusters", 2),
            markers=None if markers is None else tuple(str(marker) for marker in markers),
            rlen=self.whole(given.get("rlen", default.rlen), "cluster.rlen", 1),
            seed=self.whole(given.get("seed", default.seed), "cluster.seed", 0),
            clustering=clustering,
        )

    def populations(self, value: object) -> Path | tuple[dict[str, str], ...] | None:
        if value is None:
            return None
        if isinstance(value, str):
            return self.existing(value, "populations")
        if not isinstance(value, list) or not value:
            self.fail("populations", "must be the path of a table or a list of definitions")
        rows = []
        for number, item in enumerate(value, start=1):
            name = f"populations[{number}]"
            if isinstance(item, str):
                rows.append({"population": item, "definition": item, "parent": "", "cl_id": ""})
                continue
            entry = self.mapping(item, name, ("population", "definition", "parent", "cl_id", "reference", "partial"))
            if not entry.get("definition"):
                self.fail(f"{name}.definition", "is missing; give gates such as CD3+ CD4+")
            row = {key: str(entry.get(key) or "") for key in ("population", "definition", "parent", "cl_id")}
            row["population"] = row["population"] or row["definition"]
            if entry.get("reference"):
                row["reference"] = str(entry["reference"])
            if entry.get("partial"):
                row["partial"] = "yes" if entry["partial"] is True else str(entry["partial"])
            rows.append(row)
        return tuple(rows)

    def model(self, value: object) -> ModelOptions:
        given = self.mapping(value, "model", ("formula", "term", "scale", "baseline", "min_samples"))
        default = ModelOptions()
        term, baseline, least = given.get("term"), given.get("baseline"), given.get("min_samples")
        if baseline is not None and not isinstance(baseline, Mapping):
            self.fail("model.baseline", f"is {baseline!r}; give columns with their reference level, as in sex: Male")
        return ModelOptions(
            formula=str(given.get("formula", default.formula)),
            term=None if term is None else str(term),
            scale=self.choice(
                given.get("scale", default.scale), "model.scale", ("logit", "arcsine", "zscore", "fraction")
            ),
            baseline=None if baseline is None else {str(name): str(level) for name, level in baseline.items()},
            min_samples=None if least is None else self.whole(least, "model.min_samples", 1),
        )

    def pool(self, value: object) -> PoolOptions:
        from immport_cyto import meta

        given = self.mapping(value, "pool", ("method", "test"))
        default = PoolOptions()
        return PoolOptions(
            method=self.choice(given.get("method", default.method), "pool.method", tuple(meta.METHODS)),
            test=self.choice(given.get("test", default.test), "pool.test", tuple(meta.TESTS)),
        )


def fingerprint(config: StudyConfig) -> str:
    """The options as text: the same for the same work, whatever the folder."""
    return json.dumps({"title": config.title, **config.parameters()}, sort_keys=True)
