"""Write docs/file-formats.md from the contracts in the code: python scripts/make_docs.py"""

from pathlib import Path

from immport_cyto import tables

HEAD = """\
# File formats

Made from `lib/immport_cyto/tables/stages.py` by `scripts/make_docs.py`; do not edit by hand.

All tables are UTF-8, tab-separated, with one header line. An empty cell means unknown. Columns that are not listed are
kept and passed on. A text cell that a spreadsheet would take for a formula is written with a leading apostrophe, which
reading takes away.
"""


def text() -> str:
    """The page."""
    parts = [HEAD]
    for table in tables.ALL:
        parts.append(f"## {table.name}\n\n{table.description[0].upper()}{table.description[1:]}. "
                     f"One row per {', '.join(f'`{name}`' for name in table.key)}.\n")  # fmt: skip
        lines = ["| column | kind | meaning |", "|---|---|---|"]
        for column in table.columns:
            kind = column.kind if column.required else f"{column.kind}, optional"
            lines.append(f"| `{column.name}` | {kind} | {column.description} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).resolve().parents[1] / "docs" / "file-formats.md").write_text(text(), encoding="utf-8")
