"""Options and endings that the verbs of ``immport-cyto figure`` share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._common import FIGURE
from immport_cyto.exceptions import LinkError, OptionError

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.events.sampling import Sample

out_option = click.option("--out", "out_path", type=FIGURE, required=True, help="Figure to write (.svg, .png, .pdf).")
cofactor_option = click.option(
    "--cofactor", type=click.FloatRange(min=0, min_open=True),
    help="For files that are not preprocessed: show arcsinh(value / COFACTOR) of the markers.",
)  # fmt: skip


def events_option(default: int, of: str) -> Any:
    """The limit of events, with the rule by which they are drawn."""
    return click.option(
        "--max-events", type=click.IntRange(min=1), default=default, show_default=True,
        help=f"Events of {of} at most. Of a larger file one event is drawn, by --seed and the name of the file, from "
        "each of so many equal runs of events.",
    )  # fmt: skip


def split(text: str | None) -> list[str]:
    """Words of a list with commas."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def finish(
    command: str, out_path: Path, json_path: Path | None, inputs: Sequence[Path | None], parameters: Mapping[str, Any],
    counts: Mapping[str, int], warnings: Sequence[str],
) -> None:  # fmt: skip
    """Show warnings and what was written, and write the record."""
    from immport_cyto import provenance

    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
    if json_path:
        used = [path for path in inputs if path]
        entry = provenance.record(command, inputs=used, parameters=parameters, counts=counts, warnings=warnings)
        provenance.write(json_path, entry)
    done = ", ".join(f"{number} {what}" for what, number in counts.items()).replace("_", " ")
    click.echo(f"{out_path}: {done}", err=True)


def counts_of(drawn: "Sample") -> dict[str, int]:
    """What was read and what is drawn."""
    counts = {"files": len(drawn.files), "events": drawn.n_events, "events_shown": len(drawn.values)}
    return counts | ({"events_not_finite": drawn.n_nonfinite} if drawn.n_nonfinite else {})


def shown(counts: Mapping[str, int]) -> str:
    """How many events a figure shows."""
    some, total = counts["events_shown"], counts["events"]
    return f"{some:,} of {total:,} events" if some < total else f"{total:,} events"


def samples_of(path: Path | None, files: Mapping[str, Path]) -> "pd.DataFrame | None":
    """Rows of samples.tsv by file name; every file has one."""
    from immport_cyto import tables

    if path is None:
        return None
    samples = tables.read(path, tables.SAMPLES).drop_duplicates("file_name").set_index("file_name", drop=False)
    missing = [name for name in files if name not in samples.index]
    if missing:
        msg = f"{missing[0]}: has no row in {path}; link it first or leave the file out"
        raise LinkError(msg)
    return samples


def groups_of(
    samples: "pd.DataFrame | None", column: str | None, files: Mapping[str, Path], path: Path | None
) -> dict[str, Any]:
    """Value of each file in a column: a float, or text where the column is text or a number is unknown."""
    import pandas as pd

    if not column:
        return {}
    if samples is None:
        msg = "--group needs --samples with that column"
        raise click.UsageError(msg)
    if column not in samples.columns:
        msg = f"{path}: has no column {column!r} (it has {', '.join(samples.columns)}); correct --group"
        raise OptionError(msg)
    values = samples[column]
    if pd.api.types.is_float_dtype(values.dtype) and bool(values.loc[list(files)].notna().all()):
        return {name: float(values[name]) for name in files}
    return {name: "" if pd.isna(values[name]) else str(values[name]) for name in files}
