"""Gates of quality control, each a pure function of arrays that says which events to drop and by which rule.

A gate that finds no clear reason drops nothing and says so. Thresholds are constants of this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from immport_cyto.events._valley import mode, valleys

MIN_EVENTS = 200
"""Fewer events show no clear groups: no gate but margin decides on them."""

_AT_LIMIT = 1 - 1e-6
_DEBRIS_FSC = 0.30
_DEBRIS_DEPTH, _DEBRIS_DEPTH_AGREED = 0.5, 0.3
_DEBRIS_Z, _DEBRIS_Z_AGREED = 4.0, 2.5
_DEBRIS_UNCONFIRMED = 0.3
_BEAD_Z = 3.0
_DOUBLET_RATIO = 1.15
_DOUBLET_SDS = 4.0
_DNA_FRACTION = 0.10
_DNA_DOUBLET = float(np.log(1.6))
_BEAD_MIN = float(np.arcsinh(100 / 5))
_DEAD_MIN = {"flow": 2.0, "cytof": float(np.arcsinh(100 / 5))}
_DEAD_STEP = 1.0
_CLOUD_SDS = 4.0
_CLOUD_LEAST = float(np.log(1.3))
_CLOUD_GROWS = ("residual", "width")


@dataclass(frozen=True)
class Gate:
    """Decision of one gate.

    Attributes
    ----------
    bad
        One bool per event looked at.
    rule
        What was decided, for the report; a gate that did nothing says why.
    cuts
        Thresholds by channel, to draw them.
    warning
        What a user should look at, although nothing was dropped.
    """

    bad: np.ndarray
    rule: str
    cuts: dict[str, float] = field(default_factory=dict)
    warning: str = ""


class Columns(Protocol):
    """Gives ``columns[:, i]``, the values of one channel."""

    def __getitem__(self, key: tuple[slice, int]) -> np.ndarray:
        """Values of channel ``key[1]``, shape (n,)."""


def none(n: int, rule: str) -> Gate:
    """A gate that drops nothing."""
    return Gate(np.zeros(n, dtype=bool), rule)


def _number(value: float) -> str:
    """A threshold as people write it: 29,690 or 3.62."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def limit_share(values: np.ndarray, limit: float) -> float:
    """Share of the values at the upper limit of their detector; 0 where the limit does not bound them."""
    if not np.isfinite(limit) or not len(values) or float(values.max()) > 1.01 * limit:
        return 0.0
    return float((values >= limit * _AT_LIMIT).mean())


def margin(columns: Columns, limits: np.ndarray, names: tuple[str, ...], n: int) -> Gate:
    """Events at the upper limit of a detector.

    A channel with values more than 1 % above its limit is not bounded by it and is left out, and so is one
    without a limit.

    Parameters
    ----------
    columns
        The channels to look at, each with n values.
    limits
        Highest value that each channel can hold ($PnR - 1 on the scale of the values); NaN for unknown.
    names
        $PnN of the channels.
    n
        Number of events.
    """
    bad = np.zeros(n, dtype=bool)
    used: list[str] = []
    for column, (limit, name) in enumerate(zip(limits, names, strict=True)):
        values = columns[:, column]
        if not np.isfinite(limit) or not n or float(values.max()) > 1.01 * limit:
            continue
        used.append(name)
        bad |= values >= limit * _AT_LIMIT
    if not used:
        return none(n, "not checked: no channel with a limit that bounds its values")
    return Gate(bad, f"{', '.join(used)} at the top of $PnR")


def debris(fsc: np.ndarray, name: str, markers: np.ndarray | None = None, step: int = 1) -> Gate:
    """Small particles by forward scatter, only where they form a group of their own.

    The cut is the deepest valley of the density of log FSC between peaks, the lower one below 0.30 of the upper one
    (lymphocytes beside granulocytes lie at 0.5 and more), with at least 5 % of the events above it. The valley must be
    0.5 deep at 4 standard errors, or 0.3 at 2.5 where the markers agree: cells, unlike debris, carry some, so their
    upper decile is higher by one unit of arcsinh in at least half of the markers. More than 30 % of the events are
    dropped only where they agree. The lower group is taken for cells, and kept, when its upper quartile is higher than
    that of the other events by half a unit in any marker.

    Parameters
    ----------
    fsc
        Forward scatter, linear.
    name
        $PnN, for the rule.
    markers
        Markers on the arcsinh scale, of every `step`-th event.
    step
        The markers only confirm, so not all events are needed.
    """
    n = len(fsc)
    if n < MIN_EVENTS:
        return none(n, f"not checked: {n} events")
    floor = max(1e-3 * float(np.quantile(fsc, 0.99)), 1e-9)
    logged = np.log(np.maximum(fsc.astype(np.float64), floor))
    found = [
        v
        for v in valleys(logged, min_depth=_DEBRIS_DEPTH_AGREED, min_share=0.005, min_z=_DEBRIS_Z_AGREED)
        if v.left - v.right < np.log(_DEBRIS_FSC) and v.below <= 0.95
    ]
    if not found:
        return none(n, f"no separate group of low {name}")
    best = max(found, key=lambda v: (v.depth, -v.value))
    bad = logged < best.value
    cut = _number(float(np.exp(best.value)))
    agreed = False
    seen = bad[::step]
    if markers is not None and markers.shape[1] and seen.any() and not seen.all():
        low, high = markers[seen], markers[~seen]
        if bool((np.quantile(low, 0.75, axis=0) - np.quantile(high, 0.75, axis=0) > 0.5).any()):
            return none(n, f"events with {name} below {cut} carry markers and were kept as cells")
        gain = np.quantile(high, 0.9, axis=0) - np.quantile(low, 0.9, axis=0)
        agreed = float((gain > 1).mean()) >= 0.5
    if (best.depth < _DEBRIS_DEPTH or best.z < _DEBRIS_Z) and not agreed:
        return none(n, f"no clear group of low {name} (valley of depth {best.depth:.2f}, z {best.z:.1f} only)")
    if bad.mean() > _DEBRIS_UNCONFIRMED and not agreed:
        rule = (
            f"{bad.mean():.0%} of the events have {name} below {cut}, and were kept because no marker confirms debris"
        )
        return Gate(np.zeros(n, dtype=bool), rule, warning=rule)
    with_markers = ", lower group without markers" if agreed else ""
    rule = f"{name} below {cut} (valley, depth {best.depth:.2f}{with_markers})"
    return Gate(bad, rule, {name: float(np.exp(best.value))})


def doublets(area: np.ndarray, height: np.ndarray, names: tuple[str, str]) -> Gate:
    """Two cells at once: an area too large for the height.

    Singlets have a narrow distribution of log(area / height), which may change slowly with height; its trend (line
    through the medians of 20 height groups) is taken away. The cut is the valley right of the main peak if there is a
    clear one, else 4 standard deviations of the left half of the peak, and never less than a ratio of 1.15 times the
    usual.

    Parameters
    ----------
    area, height
        Forward scatter area and height (or width and height for instruments that give width: any pair of
        which the first grows with the number of cells at equal second).
    names
        Their $PnN.
    """
    n = len(area)
    valid = (area > 0) & (height > 0)
    if n < MIN_EVENTS or valid.mean() < 0.5:
        return none(n, f"not checked: {int(valid.sum())} events with positive {names[0]} and {names[1]}")
    x = np.log(height[valid].astype(np.float64))
    y = np.log(area[valid].astype(np.float64)) - x
    y -= _trend(x, y)
    centre = mode(y)
    left = centre - y[y <= centre]
    sd = 1.4826 * float(np.median(left)) if len(left) else 0.0
    least = centre + np.log(_DOUBLET_RATIO)
    clear = [v.value for v in valleys(y, min_share=0.002) if v.value > centre and v.left >= centre - sd]
    cut = max(clear[0] if clear else centre + _DOUBLET_SDS * sd, least)
    bad = np.zeros(n, dtype=bool)
    bad[valid] = y > cut
    ratio = float(np.exp(cut - centre))
    how = "valley" if clear and cut == clear[0] else "spread of singlets"
    return Gate(bad, f"{names[0]} / {names[1]} above {ratio:.2f} times the usual ({how})", {"ratio": ratio})


def _trend(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Robust line of y over x, without its value at the median of x."""
    order = np.argsort(x, kind="stable")
    # the outer tenths hold debris and doublets
    groups = np.array_split(order[len(order) // 10 : len(order) - len(order) // 10], 20)
    gx = np.array([np.median(x[g]) for g in groups])
    gy = np.array([np.median(y[g]) for g in groups])
    i, j = np.triu_indices(len(gx), 1)
    apart = gx[j] - gx[i] > 1e-9
    if not apart.any():
        return np.zeros_like(y)
    slope = float(np.median((gy[j] - gy[i])[apart] / (gx[j] - gx[i])[apart]))
    return slope * (x - np.median(x))


def width_doublets(width: np.ndarray, name: str) -> Gate:
    """Doublets by pulse width, only where wide pulses form a group of their own.

    The cut is the first clear valley (depth at least 0.5) above 1.15 times the main peak.
    """
    n = len(width)
    if n < MIN_EVENTS:
        return none(n, f"not checked: {n} events")
    centre = mode(width)
    found = [v for v in valleys(width, min_share=0.002) if v.value > _DOUBLET_RATIO * centre > 0]
    if not found:
        return none(n, f"no separate group of high {name}")
    return Gate(
        width > found[0].value,
        f"{name} above {_number(found[0].value)} (valley, depth {found[0].depth:.2f})",
        {name: found[0].value},
    )


def beads(bead: np.ndarray, dna: np.ndarray | None, name: str) -> Gate:
    """Calibration beads of mass cytometry.

    Beads form a group of their own in the mean of the bead channels (arcsinh, cofactor 5), above 100 counts. Where
    there is DNA, its median in that group must be below a third of that of the other events: else the channel holds a
    marker.

    Parameters
    ----------
    bead
        Mean of the bead channels, arcsinh(x / 5).
    dna
        Mean of the DNA channels, arcsinh(x / 5), if any.
    name
        Channels, for the rule.
    """
    n = len(bead)
    if n < MIN_EVENTS:
        return none(n, f"not checked: {n} events")
    found = [v for v in valleys(bead, min_share=0.001, min_z=_BEAD_Z) if v.right > _BEAD_MIN]
    if not found:
        return none(n, f"no separate group of high {name}")
    best = max(found, key=lambda v: (v.depth, v.value))
    bad = bead > best.value
    if dna is not None and np.median(dna[bad]) > np.median(dna[~bad]) - np.log(3):
        return none(n, f"events with high {name} have DNA and were kept as cells")
    return Gate(
        bad, f"{name} above {_number(np.sinh(best.value) * 5)} (valley, depth {best.depth:.2f})", {name: best.value}
    )


def dna_debris(dna: np.ndarray, name: str) -> Gate:
    """Events without a nucleus: less than a tenth of the DNA of the main peak.

    Where a clear valley (depth 0.5) lies between a tenth and a half of the main peak, it is the cut.

    Parameters
    ----------
    dna
        Mean of the DNA channels, arcsinh(x / 5).
    name
        Channels, for the rule.
    """
    n = len(dna)
    if n < MIN_EVENTS:
        return none(n, f"not checked: {n} events")
    centre = _upper_mode(dna)
    if centre < _BEAD_MIN:
        return none(n, f"not checked: {name} shows no stained nuclei (below 100 counts)")
    floor = centre + np.log(_DNA_FRACTION)
    clear = [v.value for v in valleys(dna, min_share=0.005) if floor < v.value < centre - np.log(2)]
    cut = clear[-1] if clear else floor
    how = "valley" if clear else "a tenth of the main peak"
    return Gate(dna < cut, f"{name} below {_number(np.sinh(cut) * 5)} ({how})", {name: cut})


def dna_doublets(dna: np.ndarray, length: np.ndarray | None, name: str) -> Gate:
    """Two cells at once in mass cytometry: too much DNA, or an event far too long.

    The cut in DNA is the valley right of the main peak if there is a clear one above 1.3 times its DNA; else 3 standard
    deviations of the narrower half of the peak, and at least 1.6 times its DNA. Event length counts as too long beyond
    the upper quartile + 3 interquartile ranges.

    Parameters
    ----------
    dna
        Mean of the DNA channels, arcsinh(x / 5).
    length
        Event_length, if any.
    name
        Channels, for the rule.
    """
    n = len(dna)
    if n < MIN_EVENTS:
        return none(n, f"not checked: {n} events")
    centre = _upper_mode(dna)
    if centre < _BEAD_MIN:
        return none(n, f"not checked: {name} shows no stained nuclei (below 100 counts)")
    near = dna[np.abs(dna - centre) < np.log(10)]
    left, right = centre - near[near <= centre], near[near > centre] - centre
    sd = 1.4826 * min(float(np.median(side)) for side in (left, right) if len(side))
    clear = [v.value for v in valleys(dna, min_share=0.002) if v.value > centre + np.log(1.3) and v.left > centre - sd]
    cut = clear[0] if clear else centre + max(3 * sd, _DNA_DOUBLET)
    bad = dna > cut
    rule = f"{name} above {_number(np.sinh(cut) * 5)} ({'valley' if clear else 'spread of singlets'})"
    if length is not None:
        low, high = np.quantile(length, [0.25, 0.75])
        limit = float(high + 3 * (high - low))
        bad |= length > limit
        rule += f", or event length above {_number(limit)}"
    return Gate(bad, rule, {name: cut})


def ion_clouds(shapes: Mapping[str, np.ndarray], n: int) -> Gate:
    """Fused ion clouds by the parameters of the Gaussian that is fitted to each pulse (Helios and later).

    A single cell gives one cloud of regular shape: each parameter has one peak. The cut on each side is 4 standard
    deviations of that side of the peak, and at least 1.3 times (or 1 / 1.3 of) its value. For Residual and Width, which
    grow when clouds overlap, a clear valley above the peak is taken instead, where there is one. Parameters
    that are constant, or zero in more than 1 % of the events, were not recorded.

    Parameters
    ----------
    shapes
        Center, Offset, Width, Residual: those that are there, linear.
    n
        Number of events.

    References
    ----------
    Bagwell CB et al. Automated data cleanup for mass cytometry. Cytometry A 2020;97A:184-198.
    """
    if n < MIN_EVENTS:
        return none(n, f"Gaussian parameters not checked: {n} events")
    bad = np.zeros(n, dtype=bool)
    rules: list[str] = []
    cuts: dict[str, float] = {}
    for name, values in shapes.items():
        if (values <= 0).mean() > 0.01 or not float(np.ptp(values)):
            rules.append(f"{name} not recorded")
            continue
        logged = np.log(np.maximum(values, 1e-9))
        centre = mode(logged)
        spread = [
            1.4826 * float(np.median(side)) if len(side) else 0.0
            for side in (centre - logged[logged <= centre], logged[logged > centre] - centre)
        ]
        low, high = (max(_CLOUD_SDS * sd, _CLOUD_LEAST) for sd in spread)
        how = "spread"
        if name.lower() in _CLOUD_GROWS:
            clear = [v.value for v in valleys(logged, min_share=0.002) if v.value > centre + 2 * spread[1]]
            if clear and clear[0] - centre > np.log(1.2):
                high, how = clear[0] - centre, "valley"
        bad |= (logged < centre - low) | (logged > centre + high)
        bottom, top = float(np.exp(centre - low)), float(np.exp(centre + high))
        rules.append(f"{name} outside {_number(bottom)} to {_number(top)} ({how})")
        cuts[name] = top
    return Gate(bad, ", ".join(rules), cuts)


def _upper_mode(dna: np.ndarray) -> float:
    """Main peak of DNA among the events that have any (100 counts and more), for files with much debris."""
    stained = dna[dna > _BEAD_MIN]
    return mode(stained) if len(stained) >= 0.02 * len(dna) and len(stained) >= 20 else mode(dna)


def dead(viability: np.ndarray, name: str, technique: str) -> Gate:
    """Dead cells by a viability dye, only where they form a group of their own.

    The cut is the deepest valley (depth at least 0.5, at least 0.2 % of the events on both sides) between peaks that
    differ by at least one unit of arcsinh, the upper one being bright (arcsinh above 2 for flow, 100 counts for CyTOF)
    and the valley above half of that.

    Parameters
    ----------
    viability
        The dye on the arcsinh scale (cofactor 150 for flow, 5 for CyTOF), compensated.
    name
        Channel, for the rule.
    technique
        ``flow`` or ``cytof``.
    """
    n = len(viability)
    if n < MIN_EVENTS:
        return none(n, f"not checked: {n} events")
    bright = _DEAD_MIN[technique]
    found = [
        v
        for v in valleys(viability, min_share=0.002)
        if v.right > bright and v.value > bright / 2 and v.right - v.left >= _DEAD_STEP
    ]
    if not found:
        return none(n, f"no separate group of high {name}")
    best = max(found, key=lambda v: (v.depth, v.value))
    return Gate(
        viability > best.value,
        f"{name} above {best.value:.3g} on the arcsinh scale (valley, depth {best.depth:.2f})",
        {name: best.value},
    )
