"""Which transform each channel of a file gets, and logicle scales that all files of a panel share."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto.events import _describe as describe
from immport_cyto.events import compensation as comp
from immport_cyto.events import keywords
from immport_cyto.events.transforms import (
    COFACTOR,
    DEFAULT_WIDTH,
    Arcsinh,
    Hyperlog,
    Linear,
    Log,
    Logicle,
    Transform,
    estimate_width,
    negative_reference,
    parse,
    width,
)
from immport_cyto.exceptions import ImmportCytoError, InputError, OptionError, PanelError

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.fcs import Channel, FCSFile

WORDS = ("auto", "arcsinh", "logicle", "hyperlog", "log", "linear")
"""Words of the option; anything else is the full text of a transform or the path of a table."""

_UNTRANSFORMED = frozenset({"scatter", "time", "event", "derived", "empty"})
_TOP = 262144.0
_LEAST_WIDTH = 0.01
_BLOCKS, _BLOCK_EVENTS = 20, 500
_FEW = 20

Choice = str | Mapping[str, Transform]


def check_option(transform: str, cofactor: float | None) -> None:
    """Refuse a transform or cofactor that makes no sense.

    Raises
    ------
    OptionError
        The word is unknown, a parameter is wrong, or a cofactor is given for a transform that has none.
    """
    if transform not in WORDS:
        parse(transform)
    if cofactor is not None:
        Arcsinh(cofactor)
        if transform not in {"auto", "arcsinh"}:
            msg = f"a cofactor of {cofactor:g} has no use with transform {transform!r}; leave one of them out"
            raise OptionError(msg)


def is_table(transform: object) -> bool:
    """Tell whether the option is the path of a table."""
    return isinstance(transform, Path) or (
        isinstance(transform, str)
        and transform not in WORDS
        and ":" not in transform
        and (transform.lower().endswith(".tsv") or Path(transform).is_file())
    )


def of_panel(table: "pd.DataFrame", panel_id: str, source: str) -> dict[str, Transform]:
    """The transforms of one panel by $PnN, from a table of `estimate`.

    Raises
    ------
    PanelError
        The table does not have the panel.
    OptionError
        A transform cannot be read.
    """
    rows = table[table["panel_id"] == panel_id]
    if not len(rows):
        msg = f"{source}: has no transforms for panel {panel_id}; make it with the files of this panel"
        raise PanelError(msg)
    return {str(row.fcs_colname).strip(): parse(str(row.transform)) for row in rows.itertuples()}


def is_transformed(role: str, index: int, spillover: set[int]) -> bool:
    """Tell whether a channel is put on a scale: all that detect light or metal.

    What an unknown channel holds is not known; one that spills is fluorescence.
    """
    return role not in _UNTRANSFORMED and (role != "unknown" or index in spillover)


def choose(
    values: np.ndarray,
    opened: "FCSFile",
    described: describe.Panel,
    spillover: set[int],
    option: Choice,
    cofactor: float | None,
    warnings: list[str],
) -> list[Transform]:
    """One transform per channel of a file.

    Parameters
    ----------
    values
        Events x channels, compensated.
    spillover
        Indices of the channels of the spillover matrix.
    option
        A word of `WORDS`, the text of a transform, or transforms by $PnN.
    cofactor
        Of arcsinh.
    warnings
        Guesses are added to it.

    Raises
    ------
    PanelError
        Transforms by $PnN lack a channel.
    """
    functions: list[Transform] = []
    for index, (role, channel) in enumerate(zip(described.roles, opened.channels, strict=True)):
        if not is_transformed(role, index, spillover):
            functions.append(Linear())
        elif isinstance(option, str):
            functions.append(_by_word(values[:, index], channel, option, cofactor, described.technique))
        elif channel.pnn.strip() in option:
            functions.append(option[channel.pnn.strip()])
        else:
            msg = (
                f"{opened.path}: the table of transforms has no row for channel {channel.pnn!r} of panel "
                f"{described.panel_id}; make it again with this file"
            )
            raise PanelError(msg)
    if option in ("logicle", "hyperlog") and any(not isinstance(function, Linear) for function in functions):
        warnings.append(
            f"{option} widths were estimated from this file alone; to compare files, take one table of all of them "
            "(events transforms)"
        )
    for index, function in enumerate(functions):
        if isinstance(function, Log) and len(values):
            share = float((values[:, index] < function.low_end).mean())
            if share > 0:
                name = described.labels[index].strip() or opened.channels[index].pnn
                warnings.append(f"{share:.1%} of {name} lie below the low end of the log scale and became 0")
    return functions


def _by_word(x: np.ndarray, channel: "Channel", option: str, cofactor: float | None, technique: str) -> Transform:
    if option in {"auto", "arcsinh"}:
        return Arcsinh(float(cofactor or COFACTOR[technique]))
    if option == "log":
        return Log(T=_top(channel))
    if option in {"logicle", "hyperlog"}:
        return _scale(option, _top(channel), estimate_width(x, _top(channel)))
    return parse(option)


def _scale(family: str, top: float, w: float) -> Transform:
    return Logicle(T=top, W=w) if family == "logicle" else Hyperlog(T=top, W=max(w, _LEAST_WIDTH))


def _top(channel: "Channel") -> float:
    """T of a scale: the highest value that the channel can hold."""
    top = channel.scaled_range or _TOP
    return float(top) if math.isfinite(top) and top > 1 else _TOP


def estimate(
    files: Mapping[str, Path],
    panel: "pd.DataFrame | None" = None,
    *,
    family: str = "logicle",
    compensation: str | Path = "auto",
    skip_unusable: bool = False,
) -> "pd.DataFrame":
    """One scale per channel for all files of a panel.

    T is the largest top of the channel in any file, M = 4.5, A = 0. W holds the negative values: in each file, r is
    the 5 % quantile of the negative compensated values among up to 10,000 events (20 stretches, evenly spaced); the
    median of r over the files that have 20 negative values and more gives ``W = (M - log10(T / |r|)) / 2``. No
    negative values in any file: 0.5. A single file with wrong compensation does not move the median, and
    neither the order nor the size of the files matters.

    Parameters
    ----------
    files
        ``{file name: path}`` of FCS files as acquired.
    panel
        Rows of panel.tsv; by default the channels are read from the files.
    family
        ``logicle`` or ``hyperlog``.
    compensation
        As for `preprocess`, so that both look at the same values.
    skip_unusable
        Leave out a file that `preprocess` would refuse too, instead of the error.

    Returns
    -------
    DataFrame
        Contract TRANSFORMS, sorted by panel and channel.

    Raises
    ------
    FCSError, PanelError, CompensationError
        As `preprocess`.
    InputError
        A file was written by `preprocess`.
    OptionError
        `family` is unknown.
    """
    import pandas as pd

    from immport_cyto import tables

    if family not in {"logicle", "hyperlog"}:
        msg = f"transform {family!r} has no parameters to estimate; use logicle or hyperlog"
        raise OptionError(msg)
    if panel is None:
        from immport_cyto.panel import harmonize

        panel = harmonize(dict(files)).panel
    looks: dict[tuple[str, str], list[_Look]] = {}
    for name in sorted(files):
        try:
            found = list(_look(files[name], name, panel, compensation))
        except ImmportCytoError:
            if not skip_unusable:
                raise
            continue
        for panel_id, channel, look in found:
            looks.setdefault((panel_id, channel), []).append(look)
    rows: list[dict[str, Any]] = []
    for (panel_id, channel), seen in sorted(looks.items()):
        top = max(look.top for look in seen)
        references = [look.reference for look in seen if look.reference is not None]
        w = width(float(np.median(references)), top) if references else DEFAULT_WIDTH
        rows.append({
            "panel_id": panel_id,
            "fcs_colname": channel,
            "antigen": min(look.label for look in seen),
            "transform": str(_scale(family, top, w)),
            "n_files": len(seen),
            "n_files_negative": len(references),
        })  # fmt: skip
    return tables.conform(pd.DataFrame(rows, columns=tables.TRANSFORMS.column_names), tables.TRANSFORMS)


class _Look:
    """What one file says about one channel: its top, and the reference of its negative values."""

    def __init__(self, label: str, top: float, reference: float | None) -> None:
        self.label, self.top, self.reference = label, top, reference


def _look(path: Path, name: str, panel: "pd.DataFrame", compensation: str | Path) -> Iterator[tuple[str, str, _Look]]:
    from immport_cyto import fcs

    opened = fcs.open(path)
    if keywords.is_preprocessed(opened.keywords):
        msg = f"{path}: was written by events preprocess already; give the original FCS file"
        raise InputError(msg)
    described = describe.read_panel(opened, path, name, panel)
    matrix, _ = describe.choose_matrix(opened, path, described.technique, compensation, [])
    values = _stretches(opened)
    values = values[np.isfinite(values).all(axis=1)]
    if matrix is not None:
        comp.apply(values, matrix)
    spillover = set(matrix.columns) if matrix is not None else set()
    for index, (role, channel) in enumerate(zip(described.roles, opened.channels, strict=True)):
        if is_transformed(role, index, spillover):
            negative = values[values[:, index] < 0, index]
            reference = negative_reference(negative) if len(negative) >= _FEW else None
            label = described.labels[index].strip()
            yield described.panel_id, channel.pnn.strip(), _Look(label, _top(channel), reference)


def _stretches(opened: "FCSFile") -> np.ndarray:
    """Up to 10,000 events in stretches that are spread evenly over the file."""
    if opened.n_events <= _BLOCKS * _BLOCK_EVENTS:
        return np.array(opened.events())
    starts = np.linspace(0, opened.n_events - _BLOCK_EVENTS, _BLOCKS).astype(np.int64)
    return np.concatenate([opened.events(start=int(start), stop=int(start) + _BLOCK_EVENTS) for start in starts])
