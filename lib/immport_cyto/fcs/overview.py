"""What is in a set of FCS files: one row per file, one per channel."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import CompensationError, FCSError
from immport_cyto.fcs.file import FCSFile, open_fcs
from immport_cyto.tables import Column, Table, conform

if TYPE_CHECKING:
    import pandas as pd

INFO = Table(
    "info.tsv",
    "one row per FCS file: what it holds and what is odd about it",
    (
        Column("file_name", "text", "name of the file"),
        Column("version", "text", "as in HEADER, such as FCS3.1"),
        Column("n_events", "int", "events in the first data set; empty where the file cannot be read", False),
        Column("n_channels", "int", "channels", False),
        Column("datatype", "text", "$DATATYPE: I integer, F float, D double, A text", False),
        Column("bits", "text", "widths of the stored values, joined by ','", False),
        Column("byte_order", "text", "$BYTEORD", False),
        Column("instrument", "text", "$CYT", False),
        Column("software", "text", "$SYS or the acquisition software, where given", False),
        Column("n_datasets", "int", "data sets in the file", False),
        Column("n_stained", "int", "channels with a $PnS", False),
        Column("spillover", "text", "keyword, size and state of the spillover matrix", False),
        Column("n_bytes", "int", "size of the file as it is read", False),
        Column("findings", "text", "codes of the oddities found, joined by ';'", False),
        Column("details", "text", "what was odd and what was done, joined by ' | '", False),
        Column("error", "text", "why the file cannot be read; empty where it can", False),
    ),
    ("file_name",),
)

CHANNELS = Table(
    "channels.tsv",
    "one row per file and channel, as the file describes it",
    (
        Column("file_name", "text", "name of the file"),
        Column("channel_number", "int", "n of $PnN, from 1"),
        Column("fcs_colname", "text", "$PnN"),
        Column("description", "text", "$PnS", False),
        Column("datatype", "text", "I, F, D or A", False),
        Column("bits", "int", "width of a stored value", False),
        Column("range", "float", "$PnR", False),
        Column("log_decades", "float", "first number of $PnE; 0 is linear", False),
        Column("gain", "float", "$PnG", False),
        Column("voltage", "text", "$PnV", False),
        Column("analyte", "text", "$PnANALYTE (FCS 3.2)", False),
        Column("tag", "text", "$PnTAG (FCS 3.2): fluorochrome or isotope", False),
        Column("type", "text", "$PnTYPE (FCS 3.2)", False),
    ),
    ("file_name", "channel_number"),
)

_DETAILS_PER_CODE = 2


def info(files: Mapping[str, Path], *, partial: bool = False) -> tuple["pd.DataFrame", "pd.DataFrame"]:
    """Look into files; one that cannot be read gets a row with its error and does not stop the others.

    Parameters
    ----------
    files
        File names and where the files are.
    partial
        Take the complete events of truncated files, as in `open`.

    Returns
    -------
    files, channels : DataFrame
        One row per file (contract `INFO`) and one per readable file and channel (contract `CHANNELS`), in the order
        of the file names.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []
    for name in sorted(files):
        try:
            file = open_fcs(files[name], partial=partial)
        except FCSError as error:
            rows.append({"file_name": name, "version": "", "error": _without_path(str(error), files[name])})
            continue
        rows.append({"file_name": name, **_file_row(file)})
        channels += [{"file_name": name, **row} for row in _channel_rows(file)]
    return (
        conform(pd.DataFrame(rows, columns=INFO.column_names), INFO),
        conform(pd.DataFrame(channels, columns=CHANNELS.column_names), CHANNELS),
    )


def _without_path(message: str, path: Path) -> str:
    """The row names the file already, by the name that the user knows."""
    return message.removeprefix(f"{path}: ")


def _file_row(file: FCSFile) -> dict[str, Any]:
    spillover = _spillover(file)
    findings = file.findings
    codes = list(dict.fromkeys(finding.code for finding in findings))
    return {
        "version": file.version,
        "n_events": file.n_events,
        "n_channels": file.n_channels,
        "datatype": "".join(sorted({channel.datatype for channel in file.channels})),
        "bits": ",".join(str(bits) for bits in sorted({channel.bits for channel in file.channels})),
        "byte_order": file.keywords.get("$BYTEORD", "").strip(),
        "instrument": file.keywords.get("$CYT", "").strip(),
        "software": _software(file),
        "n_datasets": file.datasets,
        "n_stained": sum(bool(channel.pns) for channel in file.channels),
        "spillover": spillover,
        "n_bytes": file.size,
        "findings": ";".join(codes),
        "details": " | ".join(_details(file, code) for code in codes),
        "error": "",
    }


def _details(file: FCSFile, code: str) -> str:
    """The findings of one code; a file with forty odd channels says so once."""
    same = [str(finding) for finding in file.findings if finding.code == code]
    more = len(same) - _DETAILS_PER_CODE
    return " | ".join(same[:_DETAILS_PER_CODE]) + (f" (and {more} more of this kind)" if more > 0 else "")


def _software(file: FCSFile) -> str:
    for key in ("CREATOR", "SOFTWARE", "$SYS"):
        value = file.keywords.get(key, "").strip()
        if value:
            return value
    return ""


def _spillover(file: FCSFile) -> str:
    try:
        spillover = file.spillover()
    except CompensationError as error:
        return "malformed: " + _without_path(str(error), file.path)
    if spillover is None:
        return "none"
    size = len(spillover.channels)
    text = f"{spillover.keyword} {size} x {size}"
    if spillover.is_identity:
        text += ", identity"
    if spillover.missing:
        text += f", {len(spillover.missing)} names are no channel: {', '.join(spillover.missing[:4])}"
        text += ", ..." if len(spillover.missing) > 4 else ""
    return text


def _channel_rows(file: FCSFile) -> list[dict[str, Any]]:
    return [
        {
            "channel_number": channel.number,
            "fcs_colname": channel.pnn,
            "description": channel.pns,
            "datatype": channel.datatype,
            "bits": channel.bits,
            "range": channel.range,
            "log_decades": channel.amplification[0],
            "gain": channel.gain,
            "voltage": file.keywords.get(f"$P{channel.number}V", "").strip(),
            "analyte": file.keywords.get(f"$P{channel.number}ANALYTE", "").strip(),
            "tag": file.keywords.get(f"$P{channel.number}TAG", "").strip(),
            "type": file.keywords.get(f"$P{channel.number}TYPE", "").strip(),
        }
        for channel in file.channels
    ]
