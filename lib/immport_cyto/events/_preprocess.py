"""One FCS file in, one compensated, checked and transformed FCS file out."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto import fcs
from immport_cyto.events import compensation as comp
from immport_cyto.events import keywords
from immport_cyto.events import qc as checks
from immport_cyto.events.figure import FigureData, sample
from immport_cyto.events.transforms import COFACTOR, Arcsinh, Linear, Logicle, Transform, estimate_width, parse
from immport_cyto.exceptions import AnalysisError, CompensationError, InputError, OptionError, PanelError
from immport_cyto.files import sha256

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.events.gates import Gate
    from immport_cyto.fcs import FCSFile

_UNTRANSFORMED = frozenset({"scatter", "time", "event", "derived", "empty"})
_COMPENSATIONS = ("auto", "file", "none")
_CHUNK_EVENTS = 200_000
_WORTH_A_WARNING = frozenset({"log_of_float", "several_data_sets", "duplicate_name", "truncated"})


@dataclass(frozen=True)
class PreprocessResult:
    """What happened to one file.

    Attributes
    ----------
    row
        The row of qc.tsv.
    warnings
        Oddities and guesses, one sentence each; also in the row.
    rules
        What each gate of quality control decided.
    transforms
        Text of the transform by $PnN.
    figure_data
        Small arrays for `immport_cyto.events.figure.qc_figure`.
    """

    row: dict[str, Any]
    warnings: list[str]
    rules: dict[str, str] = field(default_factory=dict)
    transforms: dict[str, str] = field(default_factory=dict)
    figure_data: FigureData | None = None


@dataclass(frozen=True)
class _Panel:
    """What the channels of one file are, in their order."""

    panel_id: str
    technique: str
    roles: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[str, ...]


def preprocess(
    source: Path,
    target: Path,
    *,
    file_name: str,
    panel: "pd.DataFrame | None" = None,
    compensation: str | Path = "auto",
    transform: str = "auto",
    cofactor: float | None = None,
    qc: str = "auto",
    max_events: int | None = None,
    seed: int = 42,
) -> PreprocessResult:
    """Compensate, check and transform the events of one FCS file.

    Parameters
    ----------
    source
        FCS file as acquired (not one written by this function).
    target
        FCS 3.1 file to write: float32, all channels in order.
    file_name
        Name of the file in all tables.
    panel
        Rows of panel.tsv, of this file or of many; by default the channels are read from this file alone.
    compensation
        ``auto``: the file's own matrix where it fits, else none with a warning. ``file``: the file's own matrix, and an
        error where there is none or it does not fit. ``none``. Else the path of a CSV or TSV table.
        Mass cytometry is compensated by a table only.
    transform
        ``auto`` and ``arcsinh``: arcsinh with `cofactor`. ``logicle``: W estimated from this file. ``linear``.
        Or the full text of a transform (``logicle:T=262144,W=0.5,M=4.5,A=0``).
    cofactor
        Of arcsinh; default 150 for flow, 5 for mass cytometry.
    qc
        ``auto`` or ``none``. Events with a value that is not finite are dropped in any case.
    max_events
        Keep at most so many events: a random subset in file order.
    seed
        Of that subset; together with the file's content, so the order of processing does not matter.

    Returns
    -------
    PreprocessResult

    Raises
    ------
    FCSError
        `source` cannot be read.
    InputError
        `source` was written by this function.
    CompensationError
        The matrix asked for does not fit.
    PanelError
        `panel` does not describe the channels of the file.
    OptionError
        An option has a value that makes no sense.
    AnalysisError
        No events are there, or none are left.
    """
    _check_options(transform, cofactor, qc, max_events)
    opened = fcs.open(source)
    if keywords.is_preprocessed(opened.keywords):
        msg = f"{source}: was written by events preprocess already; give the original FCS file"
        raise InputError(msg)
    if not opened.n_events:
        msg = f"{file_name}: the file holds no events; leave it out"
        raise AnalysisError(msg)
    described = _panel(opened, source, file_name, panel)
    warnings: list[str] = []
    matrix, stated = _matrix(opened, source, described.technique, compensation, warnings)
    values, time = _finite(opened, described, file_name, warnings)
    n_in, n_nonfinite = opened.n_events, opened.n_events - len(values)
    warnings += _findings(opened)
    channels = _channels(opened, described)
    margin = checks.at_limit(values, channels) if qc != "none" else None
    if matrix is not None:
        comp.apply(values, matrix)
    quality = _quality(values, channels, time, margin)
    warnings += quality.warnings
    digest = sha256(source)
    chosen, n_unsampled = _subset(quality.reason, max_events, seed, digest)
    data = sample(values, channels, quality, file_name, n_nonfinite, n_unsampled)
    spillover = set(matrix.columns) if matrix is not None else set()
    functions = _transforms(values, channels, spillover, opened, transform, cofactor, warnings)
    if len(chosen) < len(values):
        values = values[chosen]
    _transform(values, functions)
    row = _row(file_name, n_in, n_nonfinite, quality.counts, n_unsampled, len(values))
    texts = [str(function) for function in functions]
    row |= {
        "compensation": stated,
        "transform": ";".join(sorted({t for t, r in zip(texts, described.roles, strict=True) if r == "marker"})),
        "warnings": "; ".join(warnings),
    }
    counts = {key: value for key, value in row.items() if key.startswith("n_")}
    written = [
        fcs.Channel(c.number, c.pnn, label, 32, c.scaled_range if isinstance(function, Linear) else None)
        for c, label, function in zip(opened.channels, described.labels, functions, strict=True)
    ]
    ours = keywords.build(
        opened.keywords,
        file_name=file_name,
        sha256=digest,
        panel_id=described.panel_id,
        technique=described.technique,
        compensation=stated,
        spillover=matrix.to_text() if matrix is not None else "",
        roles=described.roles,
        classes=described.classes,
        transforms=texts,
        counts=counts,
        seed=seed,
    )
    fcs.write(target, values, written, ours, version="3.1")
    by_name = {c.pnn: text for c, text in zip(opened.channels, texts, strict=True)}
    return PreprocessResult(row, warnings, dict(quality.rules), by_name, data)


def _check_options(transform: str, cofactor: float | None, quality: str, max_events: int | None) -> None:
    if transform not in {"auto", "arcsinh", "logicle"}:
        parse(transform)
    if cofactor is not None:
        Arcsinh(cofactor)
        if transform not in {"auto", "arcsinh"}:
            msg = f"a cofactor of {cofactor:g} has no use with transform {transform!r}; leave one of them out"
            raise OptionError(msg)
    if quality not in {"auto", "none"}:
        msg = f"qc {quality!r} is unknown; use auto or none"
        raise OptionError(msg)
    if max_events is not None and max_events < 1:
        msg = f"max_events is {max_events}; give at least 1 or leave it out"
        raise OptionError(msg)


def _panel(opened: "FCSFile", source: Path, file_name: str, frame: "pd.DataFrame | None") -> _Panel:
    """Roles and markers of the channels, from panel.tsv or from the file alone."""
    if frame is None:
        from immport_cyto.panel import harmonize

        frame = harmonize({file_name: source}).panel
    rows = frame[frame["file_name"] == file_name].sort_values("channel_number", kind="stable")
    if not len(rows):
        msg = f"{file_name}: not in the panel table; harmonise the panel with this file"
        raise PanelError(msg)
    names = [str(name).strip() for name in rows["fcs_colname"]]
    present = [channel.pnn for channel in opened.channels]
    if names != [name.strip() for name in present]:
        differing = next((a for a, b in zip(names, present, strict=False) if a != b.strip()), f"{len(names)} rows")
        msg = (
            f"{file_name}: the panel table does not describe the {len(present)} channels of the file (first "
            f"difference: {differing!r}); harmonise the panel with this file"
        )
        raise PanelError(msg)
    roles = tuple(str(role) for role in rows["role"])
    antigens = [str(antigen) for antigen in rows["antigen"]]
    labels = tuple(
        antigen if role == "marker" and antigen else channel.pns
        for antigen, role, channel in zip(antigens, roles, opened.channels, strict=True)
    )
    panel_id = str(rows["panel_id"].iloc[0])
    technique = panel_id.partition("-")[0]
    if technique not in COFACTOR:
        technique = _technique(present)
    return _Panel(panel_id, technique, roles, tuple(str(kind) for kind in rows["marker_class"]), labels)


def _technique(names: Sequence[str]) -> str:
    """Mass cytometry shows in channel names: isotopes with Di or Dd, or Event_length."""
    metal = re.compile(r"\(?[A-Z][a-z]?\d{2,3}\)?D[id]|event_?length|cell_?length", re.IGNORECASE)
    return "cytof" if any(metal.search(name) for name in names) else "flow"


def _matrix(
    opened: "FCSFile", source: Path, technique: str, option: str | Path, warnings: list[str]
) -> tuple[comp.Matrix | None, str]:
    """The matrix to apply (None for none) and the text of the `compensation` column."""
    names = [channel.pnn for channel in opened.channels]
    if option == "none":
        return None, "none"
    if str(option) not in _COMPENSATIONS:
        table = Path(option)
        found = comp.fit(*comp.read_table(table), names, str(table))
        warnings += found.notes
        return (None, "already compensated") if found.is_identity else (found, f"table:{table.name}")
    if technique == "cytof" and option == "auto":
        return None, "none"
    try:
        spillover = opened.spillover()
        if spillover is None:
            if option == "file":
                msg = f"{source}: no spillover matrix in the file; give a table or use compensation none"
                raise CompensationError(msg)
            warnings.append("not compensated: no spillover matrix in the file")
            return None, "none"
        found = comp.fit(spillover.channels, spillover.matrix, names, f"{source}: {spillover.keyword}")
        if spillover.keyword == "$DFCmTOn" and option == "auto":
            # hardware compensation of analogue instruments: recorded, and applied before the signal was digitised
            warnings.append("$DFCmTOn taken as applied by the instrument; compensation 'file' applies it")
            return None, "already compensated"
    except comp.AlreadyCompensatedError:
        return None, "already compensated"
    except CompensationError as error:
        if option == "file":
            raise
        warnings.append(f"not compensated: {str(error).removeprefix(f'{source}: ')}")
        return None, "none"
    warnings += found.notes
    if found.is_identity:
        return None, "already compensated"
    return found, f"file:{spillover.keyword}"


def _findings(opened: "FCSFile") -> list[str]:
    """Oddities of the file that change what its values mean, each kind once."""
    by_code: dict[str, list[str]] = {}
    for finding in opened.findings:
        if finding.code in _WORTH_A_WARNING:
            by_code.setdefault(finding.code, []).append(str(finding))
    return [texts[0] + (f" (and {len(texts) - 1} more)" if len(texts) > 1 else "") for texts in by_code.values()]


def _time(opened: "FCSFile", roles: Sequence[str]) -> np.ndarray | None:
    """Time at full precision: 32-bit clocks do not fit float32."""
    if "time" not in roles:
        return None
    return np.asarray(opened.raw([roles.index("time")])[:, 0], dtype=np.float64)


def _finite(
    opened: "FCSFile", described: _Panel, file_name: str, warnings: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Events without a value that is not finite, in memory of our own, and their times."""
    values = opened.events()
    time = _time(opened, described.roles)
    finite = _finite_rows(values)
    bad = len(values) - int(finite.sum())
    if bad == len(values):
        worst = opened.channels[int(np.argmin(np.isfinite(values).sum(axis=0)))].pnn
        msg = f"{file_name}: every event has a value that is not finite, most in {worst!r}; leave the file out"
        raise AnalysisError(msg)
    if bad > 0.01 * len(values):
        warnings.append(f"{bad / len(values):.0%} of the events have a value that is not finite and were dropped")
    if bad:
        return values[finite], time[finite] if time is not None else None
    # the reader may give a read-only view of the file
    return np.array(values, dtype=np.float32), time


def _finite_rows(values: np.ndarray) -> np.ndarray:
    finite = np.empty(len(values), dtype=bool)
    for start in range(0, len(values), _CHUNK_EVENTS):
        stop = start + _CHUNK_EVENTS
        finite[start:stop] = np.isfinite(values[start:stop]).all(axis=1)
    return finite


def _channels(opened: "FCSFile", described: _Panel) -> checks.Channels:
    limits = []
    for channel in opened.channels:
        top = channel.range
        if top is None or not math.isfinite(top) or top < 100 or channel.scaled_range is None:
            limits.append(math.nan)
        elif channel.is_log:
            # the scaled view of a log channel ends at the value of R - 1
            limits.append(channel.scaled_range * 10 ** (-channel.amplification[0] / top))
        else:
            limits.append(channel.scaled_range * (top - 1) / top)
    names = tuple(channel.pnn for channel in opened.channels)
    return checks.Channels(names, described.labels, described.roles, tuple(limits), described.technique)


def _quality(
    values: np.ndarray, channels: checks.Channels, time: np.ndarray | None, margin: "Gate | None"
) -> checks.Quality:
    if margin is None:
        nothing = dict.fromkeys(checks.REASONS, 0)
        return checks.Quality(np.zeros(len(values), np.int8), nothing, {"all": "quality control was switched off"})
    return checks.check(values, channels, time, margin)


def _transforms(
    values: np.ndarray,
    channels: checks.Channels,
    spillover: set[int],
    opened: "FCSFile",
    option: str,
    cofactor: float | None,
    warnings: list[str],
) -> list[Transform]:
    functions: list[Transform] = []
    estimated = False
    for index, role in enumerate(channels.roles):
        # what an unknown channel holds is not known; one that spills is fluorescence
        if role in _UNTRANSFORMED or (role == "unknown" and index not in spillover):
            functions.append(Linear())
        elif option in {"auto", "arcsinh"}:
            functions.append(Arcsinh(float(cofactor or COFACTOR[channels.technique])))
        elif option == "logicle":
            top = opened.channels[index].scaled_range or 262144.0
            top = float(top) if math.isfinite(top) and top > 1 else 262144.0
            functions.append(Logicle(T=top, W=estimate_width(values[:, index], top)))
            estimated = True
        else:
            functions.append(parse(option))
    if estimated:
        warnings.append(
            "logicle widths were estimated from this file alone; to compare files give them, as in "
            "logicle:T=262144,W=0.5"
        )
    return functions


def _transform(values: np.ndarray, functions: Sequence[Transform]) -> None:
    """Transform the columns in place, in chunks."""
    for start in range(0, len(values), _CHUNK_EVENTS):
        part = values[start : start + _CHUNK_EVENTS]
        for index, function in enumerate(functions):
            if not isinstance(function, Linear):
                part[:, index] = function.forward(part[:, index])


def _subset(reason: np.ndarray, max_events: int | None, seed: int, digest: str) -> tuple[np.ndarray, int]:
    """Indices of the events to keep, in file order, and how many good ones are left out."""
    kept = np.flatnonzero(reason == 0)
    if max_events is None or len(kept) <= max_events:
        return kept, 0
    # the file's content, not the order of processing, decides
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(digest[:16], 16)])))
    return np.sort(generator.choice(kept, size=max_events, replace=False)), len(kept) - max_events


def _row(
    file_name: str, n_in: int, n_nonfinite: int, counts: Mapping[str, int], n_unsampled: int, n_out: int
) -> dict[str, Any]:
    row: dict[str, Any] = {"file_name": file_name, "n_events_in": n_in, "n_nonfinite": n_nonfinite}
    row |= {f"n_{reason}": counts[reason] for reason in ("margin", "time", "debris", "doublet", "bead", "dead")}
    row |= {"n_unsampled": n_unsampled, "n_events_out": n_out}
    dropped = n_nonfinite + sum(counts.values()) + n_unsampled
    if n_in != n_out + dropped:
        msg = f"{file_name}: {n_in} events in, {n_out} out and {dropped} dropped do not add up"
        raise AssertionError(msg)
    return row
