"""Quality control of one file: the gates in their fixed order, and the counts by reason.

Order: margin, time, beads, debris, doublets, dead. Each gate looks at the events that the gates before it kept and
counts what it alone drops. (Events with a value that is not finite are dropped before, see `preprocess`.) A gate that
would drop more than its limit does nothing and a warning says so; one that drops more than is usual drops and a warning
states the share. Everything is deterministic.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from immport_cyto.events import gates, stability, thresholds
from immport_cyto.events.stability import Stability
from immport_cyto.events.thresholds import REASONS, Rules
from immport_cyto.events.transforms import COFACTOR

USUAL = {"margin": 0.10, "time": 0.10, "bead": 0.30, "debris": 0.30, "doublet": 0.20, "dead": 0.20}
"""A gate that drops a larger share of the events it looked at gives a warning."""

LIMIT = {"margin": 0.50, "time": 0.50, "bead": 0.90, "debris": 0.90, "doublet": 0.50, "dead": 0.80}
"""A gate that would drop a larger share is not applied, with a warning."""

_STAINS_LIVING = re.compile(r"calcein|cfda|fluorescein.?diacetate|\bfda\b|rhodamine.?123|rh.?103|tmrm", re.IGNORECASE)
_GAUSSIAN = re.compile(r"(center|offset|width|residual)", re.IGNORECASE)
_SATURATED = 0.01
_LIGHTS = frozenset({"marker", "dump", "viability", "tetramer", "isotype", "proliferation", "detector", "unknown"})
_CONFIRM = 50_000


@dataclass(frozen=True)
class Channels:
    """What quality control must know of the channels, in the order of the columns.

    Attributes
    ----------
    names
        $PnN.
    labels
        $PnS or harmonised marker.
    roles
        Roles of panel.tsv: marker, viability, dna, bead, scatter, time, event, ...
    limits
        Highest value that a channel can hold ($PnR - 1 on the scale of the values), NaN for unknown.
    technique
        ``flow`` or ``cytof``.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    roles: tuple[str, ...]
    limits: tuple[float, ...]
    technique: str

    def with_role(self, *roles: str) -> list[int]:
        """Indices of the channels of these roles."""
        return [i for i, role in enumerate(self.roles) if role in roles]

    def scatter(self, *patterns: str) -> int | None:
        """Index of the first scatter channel whose name fits the first pattern that any fits."""
        for pattern in patterns:
            for i in self.with_role("scatter"):
                if re.fullmatch(pattern, self.names[i].strip(), re.IGNORECASE):
                    return i
        return None


@dataclass(frozen=True)
class Quality:
    """Result of quality control.

    Attributes
    ----------
    reason
        int8 per event: 0 kept, else 1 + index in `REASONS`, which is the order of the gates.
    counts
        Events dropped by reason.
    rules
        What each gate decided, or why it did nothing.
    cuts
        Thresholds drawn in the figure, by gate.
    warnings
        Unusual shares and gates that were refused.
    stability
        Result of the check of time, for the figure; None when there is no Time channel.
    """

    reason: np.ndarray
    counts: dict[str, int]
    rules: dict[str, str]
    cuts: dict[str, dict[str, float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    stability: Stability | None = None


def check(
    values: np.ndarray,
    channels: Channels,
    time: np.ndarray | None = None,
    margin: gates.Gate | None = None,
    rules_given: Rules | None = None,
    source: str = "",
) -> Quality:
    """Decide which events to drop.

    Parameters
    ----------
    values
        Events x channels: compensated, not transformed; finite.
    channels
        What the columns are.
    time
        Time of each event at full precision; by default the first column of role time.
    margin
        `at_limit` of the values before compensation; by default of `values`.
    rules_given
        Explicit thresholds by reason, see `thresholds`. They replace the automatic gate, and have no limit.
    source
        File, for messages.

    Returns
    -------
    Quality

    Raises
    ------
    OptionError
        An explicit threshold names a channel that is not there.
    """
    n = len(values)
    explicit = rules_given or {}
    reason = np.zeros(n, dtype=np.int8)
    rules: dict[str, str] = {}
    cuts: dict[str, dict[str, float]] = {}
    warnings: list[str] = []
    times = channels.with_role("time")
    if time is None and times:
        time = values[:, times[0]]
    stable: Stability | None = None
    for code, name in enumerate(REASONS, 1):
        kept = np.flatnonzero(reason == 0)
        # while nothing is dropped, no copy of the matrix is made
        part = values if len(kept) == n else _Rows(values, kept)
        given = explicit.get(name, ())
        limits = {rule.subject: rule.value for rule in given if rule.is_stability}
        if given and not limits:
            gate = thresholds.apply(given, part, len(kept), channels.names, channels.labels, source)
        elif name == "margin":  # the first gate: it sees every event
            gate = margin if margin is not None else at_limit(values, channels)
        elif name == "time":
            gate, stable = _time(part, channels, None if time is None else time[kept], limits)
        else:
            gate = _GATES[name](part, channels, len(kept))
        share = float(gate.bad.mean()) if len(kept) else 0.0
        rules[name] = gate.rule
        if gate.warning:
            warnings.append(gate.warning)
        if share > LIMIT[name] and not given:
            warnings.append(f"{name} gate not applied: it would drop {share:.0%} of the events ({gate.rule})")
            rules[name] = f"not applied, it would drop {share:.1%}: {gate.rule}"
            continue
        if share > USUAL[name]:
            warnings.append(f"{name} gate dropped {share:.0%} of the events ({gate.rule})")
        reason[kept[gate.bad]] = code
        if gate.cuts:
            cuts[name] = gate.cuts
    counts = {name: int((reason == code).sum()) for code, name in enumerate(REASONS, 1)}
    return Quality(reason, counts, rules, cuts, tuple(warnings), stable)


class _Rows:
    """A view of some rows of a matrix; columns are taken one by one, so that the matrix is never copied whole."""

    def __init__(self, values: np.ndarray, rows: np.ndarray) -> None:
        self.values, self.rows = values, rows

    def __getitem__(self, key: tuple[slice, int | list[int]]) -> np.ndarray:
        columns = key[1]
        if isinstance(columns, int):
            return np.asarray(self.values[self.rows, columns])
        if not columns:
            return np.empty((len(self.rows), 0), dtype=self.values.dtype)
        return np.stack([self.values[self.rows, column] for column in columns], axis=1)


Values = np.ndarray | _Rows


class _Columns:
    """Some columns of a matrix, taken one by one."""

    def __init__(self, values: Values, columns: list[int]) -> None:
        self.values, self.columns = values, columns

    def __getitem__(self, key: tuple[slice, int]) -> np.ndarray:
        return self.values[:, self.columns[key[1]]]


def _scaled(values: Values, columns: list[int], channels: Channels) -> np.ndarray:
    """Columns on the arcsinh scale of the technique, float64."""
    return np.arcsinh(values[:, columns].astype(np.float64) / COFACTOR[channels.technique])


def at_limit(values: np.ndarray, channels: Channels) -> gates.Gate:
    """Events at the upper limit of a detector, to be found before compensation moves them.

    A value at the limit is not measured, and compensation spreads what is missing over the other channels. Scatter
    at the limit is always dropped. Fluorescence is where at most 1 % of the events are; more are bright cells,
    kept with a warning.

    Parameters
    ----------
    values
        Events x channels, not compensated.
    channels
        What the columns are.
    """
    scatter = channels.with_role("scatter")
    if channels.technique == "cytof":
        return gates.none(len(values), "not checked: no scatter channel")
    lights = [i for i, role in enumerate(channels.roles) if role in _LIGHTS]
    rare, bright = [], []
    for i in lights:
        share = gates.limit_share(values[:, i], channels.limits[i])
        if share > _SATURATED:
            bright.append(f"{channels.labels[i].strip() or channels.names[i]} {share:.0%}")
        elif share > 0:
            rare.append(i)
    columns = [*scatter, *rare]
    limits = np.array([channels.limits[i] for i in columns])
    gate = gates.margin(_Columns(values, columns), limits, tuple(channels.names[i] for i in columns), len(values))
    warning = f"events at the detector limit were kept: {', '.join(bright)}" if bright else ""
    return replace(gate, warning=warning)


def _time(
    values: Values, channels: Channels, time: np.ndarray | None, limits: dict[str, float]
) -> tuple[gates.Gate, Stability | None]:
    columns = channels.with_role(
        "marker", "dump", "viability", "dna", "isotype", "tetramer", "proliferation", "detector", "scatter"
    )
    if time is None:
        n = len(values[:, 0]) if channels.names else 0
        return gates.none(n, "time not checked: no Time channel"), None
    names = tuple(channels.labels[i].strip() or channels.names[i] for i in columns)
    found = stability.check(time, _Columns(values, columns), names, **limits)
    given = "".join(f"; given: {name} > {value:.12g}" for name, value in limits.items())
    return gates.Gate(found.bad, found.note + given), found


def _beads(values: Values, channels: Channels, n: int) -> gates.Gate:
    columns = channels.with_role("bead")
    if channels.technique != "cytof" or not columns:
        return gates.none(n, "not checked: no bead channel")
    dna = channels.with_role("dna")
    nuclei = _scaled(values, dna, channels).mean(axis=1) if dna else None
    return gates.beads(_scaled(values, columns, channels).mean(axis=1), nuclei, _names(channels, columns))


def _debris(values: Values, channels: Channels, n: int) -> gates.Gate:
    dna = channels.with_role("dna")
    if channels.technique == "cytof":
        if not dna:
            return gates.none(n, "not checked: no DNA channel")
        return gates.dna_debris(_scaled(values, dna, channels).mean(axis=1), _names(channels, dna))
    fsc = channels.scatter(r"FSC.?A", r"FSC.?H", r"FSC.*")
    if fsc is None:
        return gates.none(n, "not checked: no forward scatter")
    # the markers only confirm: every k-th event is enough
    step = max(1, -(-n // _CONFIRM))
    columns = channels.with_role("marker")
    some = [np.arcsinh(values[:, i][::step].astype(np.float64) / COFACTOR["flow"]) for i in columns]
    markers = np.stack(some, axis=1) if some else None
    return gates.debris(values[:, fsc].astype(np.float64), channels.names[fsc], markers, step)


def _doublets(values: Values, channels: Channels, n: int) -> gates.Gate:
    if channels.technique == "cytof":
        return _fused(values, channels, n)
    area, height = channels.scatter(r"FSC.?A"), channels.scatter(r"FSC.?H")
    if area is not None and height is not None:
        pair = (channels.names[area], channels.names[height])
        return gates.doublets(values[:, area], values[:, height], pair)
    width = channels.scatter(r"FSC.?W", r"SSC.?W")
    if width is not None:
        return gates.width_doublets(values[:, width].astype(np.float64), channels.names[width])
    return gates.none(n, "not checked: neither FSC-A with FSC-H nor a width")


def _fused(values: Values, channels: Channels, n: int) -> gates.Gate:
    """Doublets of mass cytometry: by DNA and length of the event, and by the shape of the ion cloud."""
    dna = channels.with_role("dna")
    lengths = [i for i in channels.with_role("event") if "length" in channels.names[i].lower()]
    length = values[:, lengths[0]].astype(np.float64) if lengths else None
    if dna:
        gate = gates.dna_doublets(_scaled(values, dna, channels).mean(axis=1), length, _names(channels, dna))
    else:
        gate = gates.none(n, "DNA not checked: no DNA channel")
    shapes = {
        channels.names[i].strip(): values[:, i].astype(np.float64)
        for i in channels.with_role("event")
        if re.fullmatch(_GAUSSIAN, channels.names[i].strip())
    }
    if not shapes:
        return gate
    cloud = gates.ion_clouds(shapes, n)
    return gates.Gate(gate.bad | cloud.bad, f"{gate.rule}; {cloud.rule}", gate.cuts | cloud.cuts)


def _dead(values: Values, channels: Channels, n: int) -> gates.Gate:
    columns = channels.with_role("viability")
    if not columns:
        return gates.none(n, "not checked: no viability channel")
    bad = np.zeros(n, dtype=bool)
    rules: list[str] = []
    cuts: dict[str, float] = {}
    for column in columns:
        name = f"{channels.labels[column].strip() or channels.names[column]} ({channels.names[column]})"
        if _STAINS_LIVING.search(name):
            rules.append(f"{name} stains living cells and is not used")
            continue
        gate = gates.dead(_scaled(values, [column], channels)[:, 0], name, channels.technique)
        bad |= gate.bad
        rules.append(gate.rule)
        if gate.cuts:
            cuts[channels.names[column]] = next(iter(gate.cuts.values()))
    return gates.Gate(bad, "; ".join(rules), cuts)


_GATES = {"bead": _beads, "debris": _debris, "doublet": _doublets, "dead": _dead}


def _names(channels: Channels, columns: Sequence[int]) -> str:
    return " + ".join(channels.labels[i].strip() or channels.names[i] for i in columns)
