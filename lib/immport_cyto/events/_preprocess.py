"""One FCS file in, one compensated, checked and transformed FCS file out."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from immport_cyto import fcs
from immport_cyto.events import _describe as describe
from immport_cyto.events import compensation as comp
from immport_cyto.events import figure_data, keywords, scales
from immport_cyto.events import qc as checks
from immport_cyto.events.figure_data import FigureData
from immport_cyto.events.thresholds import REASONS, Rules, parse_rules
from immport_cyto.events.transforms import Linear, Transform, fast
from immport_cyto.exceptions import AnalysisError, InputError, OptionError
from immport_cyto.files import sha256

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.events.gates import Gate
    from immport_cyto.fcs import FCSFile

_CHUNK_EVENTS = 200_000
_BLOCK_EVENTS = 10_000
_LARGE_BYTES = 1 << 28


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
        Small arrays for `immport_cyto.events.figure.qc_figure` and `immport_cyto.events.densities.table`.
    panel_id
        Panel of the file.
    """

    row: dict[str, Any]
    warnings: list[str]
    rules: dict[str, str] = field(default_factory=dict)
    transforms: dict[str, str] = field(default_factory=dict)
    figure_data: FigureData | None = None
    panel_id: str = ""


def preprocess(
    source: Path | str,
    target: Path | str,
    *,
    file_name: str | None = None,
    panel: "pd.DataFrame | None" = None,
    compensation: str | Path = "auto",
    transform: "str | Path | pd.DataFrame" = "auto",
    cofactor: float | None = None,
    qc: str = "auto",
    thresholds: Sequence[str] = (),
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
        Name of the file in all tables; by default that of `source`.
    panel
        Rows of panel.tsv, of this file or of many; by default the channels are read from this file alone.
    compensation
        ``auto``: the file's own matrix where it fits, else none with a warning. ``file``: the file's own matrix, and an
        error where there is none or it does not fit. ``none``. Else the path of a CSV or TSV table.
        Mass cytometry is compensated by a table only.
    transform
        ``auto`` and ``arcsinh``: arcsinh with `cofactor`.
        ``logicle`` and ``hyperlog``: W estimated from this file. ``log``. ``linear``. Or the full text of a transform
        (``logicle:T=262144,W=0.5,M=4.5,A=0``), or a table made from all files of the panel (`scales.estimate`) or
        its path.
    cofactor
        Of arcsinh; default 150 for flow, 5 for mass cytometry.
    qc
        ``auto`` or ``none``. Events with a value that is not finite are dropped in any case.
    thresholds
        Such as ``debris: FSC-A < 30000``, see `immport_cyto.events.thresholds`; each replaces the automatic gate.
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
        `panel` does not describe the channels of the file, or the table of transforms lacks one.
    OptionError
        An option has a value that makes no sense.
    AnalysisError
        No events are there, or none are left.
    """
    choice = _check_options(transform, cofactor, qc, thresholds, max_events)
    rules = parse_rules(thresholds)
    source, target = Path(source), Path(target)
    file_name = file_name or source.name
    opened = fcs.open(source)
    if keywords.is_preprocessed(opened.keywords):
        msg = f"{source}: was written by events preprocess already; give the original FCS file"
        raise InputError(msg)
    if not opened.n_events:
        msg = f"{file_name}: the file holds no events; leave it out"
        raise AnalysisError(msg)
    described = describe.read_panel(opened, source, file_name, panel)
    if not isinstance(choice, str):
        choice = scales.of_panel(choice, described.panel_id, _name_of(transform))
    warnings: list[str] = []
    matrix, stated = describe.choose_matrix(opened, source, described.technique, compensation, warnings)
    values, time = _finite(opened, described, file_name, target.parent, warnings)
    n_in, n_nonfinite = opened.n_events, opened.n_events - len(values)
    warnings += opened.remarks
    channels = describe.channels_of(opened, described)
    margin = checks.at_limit(values, channels) if qc != "none" else None
    before = figure_data.rows(values, figure_data.DENSITY_EVENTS)
    if matrix is not None:
        comp.apply(values, matrix)
    quality = _quality(values, channels, time, margin, rules, file_name)
    warnings += quality.warnings
    digest = sha256(source)
    chosen, n_unsampled = _subset(quality.reason, max_events, seed, digest)
    spillover = set(matrix.columns) if matrix is not None else set()
    functions = scales.choose(values, opened, described, spillover, choice, cofactor, warnings)
    data = figure_data.collect(
        values, before, channels, quality, functions, file_name, n_nonfinite=n_nonfinite, n_unsampled=n_unsampled
    )
    if len(chosen) < len(values) // 2:
        values, chosen = values[chosen], np.arange(len(chosen))
    _transform(values, functions)
    row = _row(file_name, n_in, n_nonfinite, quality.counts, n_unsampled, len(chosen))
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

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, len(chosen), _BLOCK_EVENTS):
            yield values[chosen[start : start + _BLOCK_EVENTS]]

    fcs.write_blocks(target, blocks, len(chosen), written, ours, version="3.1")
    by_name = {c.pnn: text for c, text in zip(opened.channels, texts, strict=True)}
    return PreprocessResult(row, warnings, dict(quality.rules), by_name, data, described.panel_id)


def _check_options(
    transform: "str | Path | pd.DataFrame",
    cofactor: float | None,
    quality: str,
    thresholds: Sequence[str],
    max_events: int | None,
) -> "str | pd.DataFrame":
    """The transform as a word or text, or as a table."""
    if quality not in {"auto", "none"}:
        msg = f"qc {quality!r} is unknown; use auto or none"
        raise OptionError(msg)
    if thresholds and quality == "none":
        msg = f"threshold {thresholds[0]!r} has no use with qc none; leave one of them out"
        raise OptionError(msg)
    if max_events is not None and max_events < 1:
        msg = f"max_events is {max_events}; give at least 1 or leave it out"
        raise OptionError(msg)
    if isinstance(transform, str) and not scales.is_table(transform):
        scales.check_option(transform, cofactor)
        return transform
    if cofactor is not None:
        msg = f"a cofactor of {cofactor:g} has no use with a table of transforms; leave one of them out"
        raise OptionError(msg)
    if isinstance(transform, str | Path):
        from immport_cyto import tables

        return tables.read(Path(transform), tables.TRANSFORMS)
    return transform


def _name_of(transform: object) -> str:
    return str(transform) if isinstance(transform, str | Path) else "the table of transforms"


def _time(opened: "FCSFile", roles: Sequence[str]) -> np.ndarray | None:
    """Time at full precision: 32-bit clocks do not fit float32."""
    if "time" not in roles:
        return None
    return np.asarray(opened.raw([roles.index("time")])[:, 0], dtype=np.float64)


def _finite(
    opened: "FCSFile", described: describe.Panel, file_name: str, folder: Path, warnings: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Events without a value that is not finite, in memory of our own, and their times."""
    finite = np.empty(opened.n_events, dtype=bool)
    values = _room(opened.n_events, opened.n_channels, folder)
    kept = start = 0
    odd = np.zeros(opened.n_channels, dtype=np.int64)
    for part in opened.chunks(_CHUNK_EVENTS):
        good = np.isfinite(part)
        odd += len(part) - good.sum(axis=0)
        here = good.all(axis=1)
        finite[start : start + len(part)] = here
        start += len(part)
        n_good = int(here.sum())
        values[kept : kept + n_good] = part if n_good == len(part) else part[here]
        kept += n_good
    bad = opened.n_events - kept
    if not kept:
        worst = opened.channels[int(np.argmax(odd))].pnn
        msg = f"{file_name}: every event has a value that is not finite, most in {worst!r}; leave the file out"
        raise AnalysisError(msg)
    if bad > 0.01 * opened.n_events:
        warnings.append(f"{bad / opened.n_events:.0%} of the events have a value that is not finite and were dropped")
    time = _time(opened, described.roles)
    return values[:kept], time[finite] if time is not None and bad else time


def _room(n_events: int, n_channels: int, folder: Path) -> np.ndarray:
    """An empty matrix; a large one in a file without a name, which the system can put away when memory is short."""
    shape = (n_events, n_channels)
    size = n_events * n_channels * 4
    if size >= _LARGE_BYTES:
        try:
            with tempfile.TemporaryFile(dir=folder) as stream:
                # without space on the disk, a mapped page that is written to would end the process
                os.posix_fallocate(stream.fileno(), 0, size)
                return np.memmap(stream, np.float32, "r+", shape=shape)
        except OSError:
            pass
    return np.empty(shape, dtype=np.float32)


def _quality(
    values: np.ndarray,
    channels: checks.Channels,
    time: np.ndarray | None,
    margin: "Gate | None",
    rules: Rules,
    source: str,
) -> checks.Quality:
    if margin is None:
        nothing = dict.fromkeys(REASONS, 0)
        return checks.Quality(np.zeros(len(values), np.int8), nothing, {"all": "quality control was switched off"})
    return checks.check(values, channels, time, margin, rules, source)


def _transform(values: np.ndarray, functions: Sequence[Transform]) -> None:
    """Transform the columns in place, in chunks."""
    for start in range(0, len(values), _CHUNK_EVENTS):
        part = values[start : start + _CHUNK_EVENTS]
        for index, function in enumerate(functions):
            if not isinstance(function, Linear):
                part[:, index] = fast(function, part[:, index])


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
