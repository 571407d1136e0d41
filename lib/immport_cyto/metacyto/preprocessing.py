"""MetaCyto's preprocessing of one FCS file, and its idea of a panel."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from immport_cyto import fcs
from immport_cyto.events import PreprocessResult, compensation, keywords
from immport_cyto.events.transforms import Arcsinh, Linear
from immport_cyto.exceptions import AnalysisError, InputError, OptionError
from immport_cyto.files import sha256

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.fcs import FCSFile

COFACTORS = {"flow": 150.0, "cytof": 8.0}
UNTRANSFORMED = ("FSC-A", "FSC-W", "FSC-H", "Time", "Cell_length")
MAX_EVENTS = 5000

_SPILL = "SPILL"
_OTHER_KEYWORDS = ("$SPILLOVER", "SPILLOVER", "$SPILL", "$COMP")
_SYMMETRIC = 100 * np.finfo(np.float64).eps  # the tolerance of R's isSymmetric
_LOG10 = "log10"


def panel_key(opened: "FCSFile") -> str:
    """What makes a panel in MetaCyto: $PnN and $PnS of every channel, in order."""
    return "|".join(f"{channel.pnn}-{channel.pns or 'NA'}" for channel in opened.channels)


def panel_id(opened: "FCSFile", technique: str) -> str:
    """Name of MetaCyto's panel of a file: technique, number of channels, and a hash of `panel_key`."""
    digest = hashlib.sha256(panel_key(opened).encode()).hexdigest()[:6]
    return f"{technique}-{len(opened.channels)}c-{digest}"


def marker_names(opened: "FCSFile") -> list[str]:
    """MetaCyto's name of each channel: $PnS, else $PnN, in capitals."""
    return [(channel.pns.strip() or channel.pnn).upper() for channel in opened.channels]


def preprocess(
    source: Path,
    target: Path,
    *,
    file_name: str,
    panel: "pd.DataFrame | None" = None,
    technique: str | None = None,
    cofactor: float | None = None,
    rename: Mapping[str, str] | None = None,
    untransformed: Collection[str] = UNTRANSFORMED,
    max_events: int | None = MAX_EVENTS,
    seed: int = 42,
) -> PreprocessResult:
    """Compensate and transform the events of one FCS file as MetaCyto does; there is no quality control.

    Parameters
    ----------
    source
        FCS file as acquired.
    target
        FCS 3.1 file to write: float32, all channels in order, $PnS in capitals.
    file_name
        Name of the file in all tables.
    panel
        Rows of panel.tsv, for the role of each channel and the technique; by default read from this file alone.
    technique
        ``flow`` or ``cytof``; by default as in `panel`.
    cofactor
        Of arcsinh; default 150 for flow, 8 for mass cytometry.
    rename
        Other names of markers, old to new (MetaCyto's ``nameUpdator``, but whole names only).
    untransformed
        Channels with one of these in $PnN, in any case of the letters, stay linear.
    max_events
        A random subset of at most so many events, in file order; None for all.
    seed
        Of that subset, together with the file's content. MetaCyto draws without a seed.

    Returns
    -------
    PreprocessResult

    Raises
    ------
    FCSError, InputError
        `source` cannot be read, or was written by this program.
    CompensationError
        The SPILL matrix does not fit the file.
    AnalysisError
        The file has no events.
    OptionError
        An option has a value that makes no sense.
    """
    if max_events is not None and max_events < 1:
        msg = f"max_events is {max_events}; give at least 1 or leave it out"
        raise OptionError(msg)
    opened = fcs.open(source)
    if keywords.is_preprocessed(opened.keywords):
        msg = f"{source}: was written by events preprocess already; give the original FCS file"
        raise InputError(msg)
    if not opened.n_events:
        msg = f"{file_name}: the file holds no events; leave it out"
        raise AnalysisError(msg)
    rows = _channel_rows(opened, source, file_name, panel)
    technique = technique or str(rows["panel_id"].iloc[0]).partition("-")[0]
    if technique not in COFACTORS:
        msg = f"{file_name}: technique {technique!r} is unknown; give flow or cytof"
        raise OptionError(msg)
    function = Arcsinh(COFACTORS[technique] if cofactor is None else cofactor)
    warnings: list[str] = []
    digest = sha256(source)
    chosen = _subset(opened.n_events, max_events, seed, digest)
    values = _linear_values(opened)[chosen]
    old = opened.version == "FCS2.0" and technique == "flow"
    if technique == "flow" and opened.version not in ("FCS2.0", "FCS3.0"):
        warnings.append(f"{opened.version} is treated as FCS3.0; MetaCyto asks for version 3 exactly")
    matrix = None if old else _matrix(opened, technique, file_name, warnings)
    if matrix is not None:
        compensation.apply(values, matrix)
    kept = [name.upper() for name in untransformed]
    columns = [i for i, c in enumerate(opened.channels) if not any(name in c.pnn.upper() for name in kept)]
    if old:
        warnings.append("FCS 2.0: MetaCyto takes the decadic logarithm of the values and does not compensate")
        with np.errstate(divide="ignore", invalid="ignore"):
            values[:, columns] = np.log10(values[:, columns])
    else:
        values[:, columns] = function.forward(values[:, columns])
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        warnings.append(f"{int((~finite).sum())} events without a finite value were dropped; MetaCyto keeps them")
        values = values[finite]
    names = _renamed(marker_names(opened), rename or {}, file_name, warnings)
    text = _LOG10 if old else str(function)
    texts = [text if i in columns else str(Linear()) for i in range(len(names))]
    stated = f"file:{_SPILL}" if matrix is not None else "none"
    row = {
        "file_name": file_name, "n_events_in": opened.n_events, "n_nonfinite": int((~finite).sum()), "n_margin": 0,
        "n_time": 0, "n_debris": 0, "n_doublet": 0, "n_bead": 0, "n_dead": 0,
        "n_unsampled": opened.n_events - len(chosen), "n_events_out": len(values), "compensation": stated,
        "transform": text, "warnings": "; ".join(warnings),
    }  # fmt: skip
    ours = keywords.build(
        opened.keywords,
        file_name=file_name,
        sha256=digest,
        panel_id=panel_id(opened, technique),
        technique=technique,
        compensation=stated,
        spillover=matrix.to_text() if matrix is not None else "",
        roles=[str(role) for role in rows["role"]],
        classes=[str(kind) for kind in rows["marker_class"]],
        transforms=texts,
        counts={key: value for key, value in row.items() if key.startswith("n_")},  # type: ignore[misc]
        seed=seed,
    )
    ours[f"{keywords.PREFIX}METHOD"] = "metacyto"
    channels = [
        (channel.pnn, name if channel.pns.strip() or name != channel.pnn.upper() else "")
        for channel, name in zip(opened.channels, names, strict=True)
    ]
    fcs.write(target, values.astype(np.float32), channels, ours)
    by_name = {channel.pnn: each for channel, each in zip(opened.channels, texts, strict=True)}
    return PreprocessResult(row, warnings, {"all": "MetaCyto has no quality control"}, by_name)


def _channel_rows(opened: "FCSFile", source: Path, file_name: str, panel: "pd.DataFrame | None") -> "pd.DataFrame":
    if panel is None:
        from immport_cyto.panel import harmonize

        panel = harmonize({file_name: source}).panel
    rows = panel[panel["file_name"] == file_name].sort_values("channel_number", kind="stable")
    if len(rows) != len(opened.channels):
        msg = f"{file_name}: the panel table has {len(rows)} rows for {len(opened.channels)} channels; harmonise again"
        raise InputError(msg)
    return rows


def _linear_values(opened: "FCSFile") -> np.ndarray:
    """Values as flowCore's "linearize" gives them: $PnE of integers applied, $PnG not."""
    values = opened.events().astype(np.float64)
    for column, channel in enumerate(opened.channels):
        if channel.gain not in (None, 1.0) and not channel.is_time and not channel.is_log:
            values[:, column] = opened.raw([column])[:, 0]
    return values


def _subset(n_events: int, max_events: int | None, seed: int, digest: str) -> np.ndarray:
    if max_events is None or n_events <= max_events:
        return np.arange(n_events)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(digest[:16], 16)])))
    return np.sort(generator.choice(n_events, size=max_events, replace=False))


def _matrix(opened: "FCSFile", technique: str, file_name: str, warnings: list[str]) -> compensation.Matrix | None:
    """The SPILL matrix where MetaCyto applies it: flow cytometry, keyword SPILL, not symmetric."""
    if technique != "flow":
        return None
    others = [name for name in _OTHER_KEYWORDS if opened.keywords.get(name, "").strip() not in ("", "0")]
    spillover = opened.spillover()
    if spillover is None or opened.keywords.get(_SPILL, "").strip() in ("", "0"):
        if others:
            warnings.append(f"not compensated: MetaCyto knows the keyword SPILL only and passes over {others[0]}")
        return None
    if others and spillover.keyword != _SPILL:
        warnings.append(f"the matrix of {spillover.keyword} stands for that of SPILL")
    values = np.asarray(spillover.matrix)
    if np.abs(values - values.T).sum() <= _SYMMETRIC * np.abs(values).sum():
        if not spillover.is_identity:
            warnings.append("not compensated: MetaCyto takes a symmetric matrix for one that was applied already")
        return None
    found = compensation.fit(
        spillover.channels, values, [channel.pnn for channel in opened.channels], f"{file_name}: {spillover.keyword}"
    )
    warnings += found.notes
    return found


def _renamed(names: list[str], rename: Mapping[str, str], file_name: str, warnings: list[str]) -> list[str]:
    new = {old.strip().upper(): name.strip().upper() for old, name in rename.items()}
    for old, name in new.items():
        touched = [marker for marker in names if old in marker and marker != old]
        if touched:
            warnings.append(
                f"{old} is renamed as a whole; MetaCyto's nameUpdator would also make "
                f"{touched[0].replace(old, name)} of {touched[0]}"
            )
    result = [new.get(name, name) for name in names]
    twice = next((name for name in result if result.count(name) > 1 and name in new.values()), None)
    if twice is not None:
        msg = f"{file_name}: after renaming two channels are {twice}; choose another name"
        raise OptionError(msg)
    return result
