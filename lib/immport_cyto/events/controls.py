"""Files of single-stain controls: their events that can be used, and which control is of which detector."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto.events import _describe as describe
from immport_cyto.events import gates
from immport_cyto.events.spillover import SEPARATION, Control, Estimate, fit, spread
from immport_cyto.exceptions import AnalysisError, PanelError
from immport_cyto.tables import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.fcs import FCSFile

CONTROLS = Table(
    "controls.tsv",
    "one row per single-stain control",
    (
        Column("file_name", "text", "name of the FCS file"),
        Column("fcs_colname", "text", "$PnN of the detector of its fluorochrome, or unstained"),
    ),
    ("file_name",),
)

UNSTAINED = "unstained"
"""In place of a channel: the control without any stain."""

_LIGHTS = frozenset({"marker", "dump", "viability", "tetramer", "isotype", "proliferation", "detector", "unknown"})
_MOST_EVENTS = 100_000
_LEAST_EVENTS = 100


def estimate(
    files: Mapping[str, Path],
    *,
    controls: Mapping[str, str] | None = None,
    panel: "pd.DataFrame | None" = None,
) -> Estimate:
    """Estimate the spillover matrix from files of single-stain controls.

    Parameters
    ----------
    files
        ``{file name: path}`` of the controls, as acquired, with the same detectors.
    controls
        ``{file name: $PnN}`` of the detector of each control's fluorochrome, or ``unstained``. By default it is the
        detector in which the control is brighter than the others; where that is not clear, it is an error.
    panel
        Rows of panel.tsv, for the roles of the channels; by default the channels are read from the files.

    Raises
    ------
    FCSError
        A file cannot be read.
    PanelError
        The files differ in their detectors, or `controls` does not fit them.
    AnalysisError
        A control has too few events or no stained group, or its detector cannot be told.
    CompensationError
        The matrix that results cannot be inverted.
    """
    from immport_cyto import fcs

    if len(files) < 2:
        msg = (
            f"{len(files)} control is given; spillover needs one single-stain control for each of two or more detectors"
        )
        raise AnalysisError(msg)
    names: tuple[str, ...] = ()
    loaded: dict[str, np.ndarray] = {}
    first = min(files)
    for name in sorted(files):
        opened = fcs.open(files[name])
        detectors, values = _load(opened, files[name], name, panel)
        if not names:
            names = detectors
        elif detectors != names:
            odd = sorted(set(detectors) ^ set(names)) or list(detectors)
            msg = f"{name}: its detectors are not those of {first} ({odd[0]!r} differs); give controls of one setting"
            raise PanelError(msg)
        loaded[name] = values
    chosen = _given(controls, loaded, names) if controls is not None else assign(loaded, names)
    return fit([Control(name, values, chosen[name]) for name, values in loaded.items()], names)


def _load(opened: "FCSFile", path: Path, name: str, panel: "pd.DataFrame | None") -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the detectors, and their values in the events that can be used."""
    described = describe.read_panel(opened, path, name, panel)
    channels = describe.channels_of(opened, described)
    lights = channels.with_role(*_LIGHTS)
    areas = [i for i in lights if re.search(r"[-_. ]A$", channels.names[i].strip())]
    lights = areas or lights
    if described.technique != "flow" or len(lights) < 2:
        msg = f"{name}: has {len(lights)} fluorescence detectors; give single-stain controls of flow cytometry"
        raise PanelError(msg)
    values = opened.events()
    step = max(1, -(-len(values) // _MOST_EVENTS))
    values = np.asarray(values[::step], dtype=np.float32)
    values = values[np.isfinite(values).all(axis=1)]
    used = [*channels.with_role("scatter"), *lights]
    limits = np.array([channels.limits[i] for i in used])
    keep = ~gates.margin(values[:, used], limits, tuple(channels.names[i] for i in used), len(values)).bad
    fsc = channels.scatter(r"FSC.?A", r"FSC.?H", r"FSC.*")
    if fsc is not None and keep.any():
        keep[keep] = ~gates.debris(values[keep, fsc], channels.names[fsc]).bad
    if keep.sum() < _LEAST_EVENTS:
        msg = f"{name}: {int(keep.sum())} of {opened.n_events} events can be used; a control needs {_LEAST_EVENTS}"
        raise AnalysisError(msg)
    return tuple(channels.names[i].strip() for i in lights), values[keep][:, lights].astype(np.float64)


def _given(
    controls: Mapping[str, str], loaded: Mapping[str, np.ndarray], names: Sequence[str]
) -> dict[str, int | None]:
    chosen: dict[str, int | None] = {}
    for name in loaded:
        wanted = controls.get(name, "").strip()
        if wanted.lower() == UNSTAINED:
            chosen[name] = None
        elif wanted in names:
            chosen[name] = list(names).index(wanted)
        else:
            what = f"has channel {wanted!r}, which is no detector of it" if wanted else "is not in the list of controls"
            msg = f"{name}: {what}; give one of {', '.join(names)} or {UNSTAINED}"
            raise PanelError(msg)
    taken = [column for column in chosen.values() if column is not None]
    twice = next((names[column] for column in taken if taken.count(column) > 1), None)
    if twice is not None:
        listed = ", ".join(sorted(name for name, column in chosen.items() if column == list(names).index(twice)))
        msg = f"two controls are given for channel {twice!r} ({listed}); give one"
        raise PanelError(msg)
    return chosen


def assign(loaded: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, int | None]:
    """Find the detector of each control: where its bright events exceed those of the other controls most.

    The bright level is the 95 % quantile; the level of the others is the lower quartile over the controls. A control
    that is nowhere 5 times as far above that level as the controls usually scatter is the unstained one.

    Raises
    ------
    AnalysisError
        Two controls have the same detector, or more than one is unstained.
    """
    order = sorted(loaded)
    bright = np.array([np.quantile(loaded[name], 0.95, axis=0) for name in order])
    usual = np.quantile(bright, 0.25, axis=0, method="lower")
    noise = np.array([spread(np.concatenate([values[:, j] for values in loaded.values()])) for j in range(len(names))])
    rise = bright - usual
    chosen: dict[str, int | None] = {}
    for name, row in zip(order, rise, strict=True):
        best = int(np.argmax(row))
        chosen[name] = best if row[best] > SEPARATION * noise[best] else None
    for column in set(chosen.values()):
        same = [name for name in order if chosen[name] == column]
        if len(same) > 1:
            where = f"brightest in {names[column]!r}" if column is not None else "nowhere brighter than the others"
            msg = f"{same[0]} and {same[1]} are both {where}; say which control is which with a list of controls"
            raise AnalysisError(msg)
    return chosen
