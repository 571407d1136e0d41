"""From the bytes of DATA to numbers: exact stored values, a few channels and events at a time."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from immport_cyto.fcs.layout import Field, Layout
from immport_cyto.fcs.model import Channel, Report
from immport_cyto.fcs.source import Bytes

# Bytes of DATA decoded at once where a copy is needed anyway; keeps the memory beside the result small.
CHUNK_BYTES = 1 << 24
_CACHED_BYTES = 1 << 19
_TEXT_BLOCK = 1 << 20
_MAX_NUMBER = 64  # characters
_SEPARATOR = re.compile(rb"[ ,\0\r\n\t]")
_NO_NUMBER = "DATA holds text that is no number although $DATATYPE is A; export the file again"


def result_dtype(fields: Sequence[Field]) -> np.dtype:
    """The type that holds the values of all fields exactly (64-bit integers beside floats: float64)."""
    return np.result_type(*(field.dtype for field in fields)) if fields else np.dtype(np.float32)


def decode(events: Bytes, layout: Layout, indices: Sequence[int], report: Report) -> npt.NDArray[Any]:
    """Stored values of some channels after the $PnR mask.

    Parameters
    ----------
    events
        The bytes of whole events.
    layout
        How an event is stored.
    indices
        Channels to read, from 0.

    Returns
    -------
    ndarray, events x channels
        Native byte order. Where the file stores native numbers and all channels are read in order, a read-only view
        of the bytes without a copy.
    """
    count = len(events) // layout.event_bytes
    fields = [layout.fields[index] for index in indices]
    uniform = layout.uniform()
    if uniform is not None and not any(field.mask is not None for field in fields):
        matrix = events[: count * layout.event_bytes].view(uniform).reshape(count, len(layout.fields))
        return _native(matrix if list(indices) == list(range(len(layout.fields))) else _columns(matrix, indices))
    out = np.empty((count, len(fields)), result_dtype(fields))
    step = max(CHUNK_BYTES // layout.event_bytes, 1)
    for start in range(0, count, step):
        stop = min(start + step, count)
        block = events[start * layout.event_bytes : stop * layout.event_bytes].reshape(-1, layout.event_bytes)
        for column, field in enumerate(fields):
            out[start:stop, column] = _field(block, field, report)
    return out


def _columns(matrix: npt.NDArray[Any], indices: Sequence[int]) -> npt.NDArray[Any]:
    """Some columns of an interleaved matrix, by blocks of rows that stay in the cache while each column is taken."""
    out = np.empty((len(matrix), len(indices)), matrix.dtype.newbyteorder("="))
    rows = max(_CACHED_BYTES // (matrix.shape[1] * matrix.dtype.itemsize), 1)
    for start in range(0, len(matrix), rows):
        block, target = matrix[start : start + rows], out[start : start + rows]
        for column, index in enumerate(indices):
            target[:, column] = block[:, index]
    return out


def _native(matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return matrix if matrix.dtype.isnative else matrix.astype(matrix.dtype.newbyteorder("="))


def _field(block: Bytes, field: Field, report: Report) -> npt.NDArray[Any]:
    """One channel of a block of events, as native numbers."""
    raw = block[:, field.offset : field.offset + field.width]
    if field.datatype == "A":
        return _ascii(raw, field, report)
    values = _gathered(raw, field) if field.stored is None else np.ascontiguousarray(raw).view(field.stored)[:, 0]
    if field.mask is not None:
        values = values & values.dtype.type(field.mask)
    return values


def _gathered(raw: Bytes, field: Field) -> npt.NDArray[Any]:
    """Values of 3, 5, 6 or 7 bytes, or of an unusual byte order: put into little-endian order first."""
    size = field.dtype.itemsize
    bytes_in_order = np.zeros((len(raw), size), np.uint8)
    for target, source in enumerate(field.order):
        bytes_in_order[:, target] = raw[:, source]
    return bytes_in_order.view(field.dtype.newbyteorder("<"))[:, 0]


def _ascii(raw: Bytes, field: Field, report: Report) -> npt.NDArray[np.float64]:
    text = np.ascontiguousarray(raw).view(np.dtype(f"S{field.width}"))[:, 0]
    try:
        return text.astype(np.float64)
    except ValueError:
        report.fail(_NO_NUMBER)


def decode_delimited(data: Bytes, n_channels: int, declared: int, report: Report) -> npt.NDArray[np.float64]:
    """All values of delimited ASCII DATA ($PnB = *): numbers between blanks, commas, tabs or line ends.

    Parameters
    ----------
    declared
        Events that $TOT declares; -1 where it is absent.
    """
    room = np.empty(len(data) // 2 + 1)  # a number takes two bytes or more; what is not filled takes no memory
    count = 0
    for words in _words(data, report):
        room[count : count + len(words)] = _numbers(words, report)
        count += len(words)
    values = room[:count]
    if len(values) % n_channels or (declared >= 0 and len(values) < declared * n_channels):
        report.fail_truncated(
            f"DATA holds {len(values)} numbers, which are not {max(declared, 0)} events of {n_channels} channels; "
            "export the file again"
        )
    if declared >= 0 and len(values) > declared * n_channels:
        report.fail(f"DATA holds {len(values) // n_channels} events, but $TOT is {declared}; export the file again")
    return values.reshape(-1, n_channels)


def _words(data: Bytes, report: Report) -> Iterator[list[bytes]]:
    """The words between separators, block by block: as objects they take twenty times the memory of the text."""
    start = 0
    while start < len(data):
        stop = start + _TEXT_BLOCK
        rest = data[stop : stop + _MAX_NUMBER + 1].tobytes()
        ends = _SEPARATOR.search(rest)
        if ends is None and len(rest) > _MAX_NUMBER:
            report.fail(_NO_NUMBER)
        stop += ends.start() if ends else len(rest)
        yield data[start:stop].tobytes().replace(b",", b" ").strip(b" \0\r\n\t").split()
        start = stop


def _numbers(words: list[bytes], report: Report) -> npt.NDArray[np.float64]:
    # an array of texts is as wide as the longest of them
    if max(map(len, words), default=0) > _MAX_NUMBER:
        report.fail(_NO_NUMBER)
    try:
        return np.array(words, dtype=np.bytes_).astype(np.float64)
    except ValueError:
        report.fail(_NO_NUMBER)


def scale(values: npt.NDArray[Any], channel: Channel, report: Report) -> npt.NDArray[np.float32]:
    """Stored values of one channel on the linear scale of the instrument, as float32.

    Logarithmic integers become ``10 ** (f1 * x / R) * f2`` ($PnE f1,f2 and $PnR R), linear values ``x / gain``
    ($PnG), except those of the Time channel (FCS 3.1, sections 3.2.18 and 3.2.19). $TIMESTEP is not applied.
    """
    # doubles and damaged keywords can exceed float32; the result is then infinite, as it is in any reader
    with np.errstate(over="ignore", invalid="ignore"):
        if channel.is_log:
            decades, offset = channel.amplification
            if channel.range is None:
                report.fail(
                    f"$P{channel.number}E asks for a logarithmic scale but $P{channel.number}R is no usable number; "
                    "read the stored values (raw) instead"
                )
            return (10.0 ** (values.astype(np.float64) * (decades / channel.range)) * offset).astype(np.float32)
        if channel.gain is not None and channel.gain != 1 and not channel.is_time:
            return (values.astype(np.float64) / channel.gain).astype(np.float32)
        return values.astype(np.float32)
