"""The page of `fcs info`: one self-contained HTML file, all text escaped."""

from importlib.resources import files as resources
from typing import TYPE_CHECKING, Any

from immport_cyto import __version__
from immport_cyto.fcs.compare import compare

if TYPE_CHECKING:
    import pandas as pd


def render(file_table: "pd.DataFrame", channel_table: "pd.DataFrame") -> str:
    """HTML of the two tables of `info`: files, oddities, channels over all files, and distinct sets of channels."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["count"] = lambda value: f"{int(value):,}".replace(",", "\u202f")
    template = resources("immport_cyto.fcs").joinpath("templates", "info.html.j2").read_text(encoding="utf-8")
    readable = file_table[file_table["error"] == ""]
    sets = _channel_sets(channel_table)
    return environment.from_string(template).render(
        version=__version__,
        files=readable.to_dict("records"),
        failed=file_table[file_table["error"] != ""].to_dict("records"),
        n_files=len(file_table),
        n_events=int(readable["n_events"].sum()) if len(readable) else 0,
        odd=[row for row in readable.to_dict("records") if row["details"]],
        sets=sets,
        differing=[row for row in compare(channel_table).to_dict("records") if row["differences"]],
    )


def _channel_sets(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Files grouped by their channels ($PnN and $PnS in order), the most frequent set first."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, rows in table.groupby("file_name", sort=True):
        key = tuple(zip(rows["fcs_colname"], rows["description"], strict=True))
        groups.setdefault(key, []).append(str(name))
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[1]))
    return [
        {
            "number": number,
            "files": names,
            "channels": table[table["file_name"] == names[0]].astype(object).to_dict("records"),
        }
        for number, (_, names) in enumerate(ordered, 1)
    ]
