"""``immport-cyto immport template``: write upload templates, empty or filled from the tables of this program."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from immport_cyto.cli._common import counted, json_option
from immport_cyto.exceptions import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from immport_cyto.immport.templates import Filled

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--list", "list_all", is_flag=True, help="List all templates in loading order, and stop.")
@click.option("--columns", "columns_of", metavar="NAME", help="List the columns of a template, and stop.")
@click.option("--empty", "empty_names", metavar="NAME", multiple=True, help="Template to fill in by hand; repeatable.")
@click.option("--populations", type=_FILE, help="populations.tsv, for FCM_Derived_data and CyTOF_Derived_data.")
@click.option(
    "--workspace-file", metavar="NAME", default="",
    help="File of the package that describes the analysis, such as report.html; needed with --populations.",
)  # fmt: skip
@click.option(
    "--statistic", type=click.Choice(["percentage", "count"]), default="percentage", show_default=True,
    help="Percentage of the parent population, or count of cells.",
)  # fmt: skip
@click.option("--method", "methods", multiple=True, help="Only populations found by this method; repeatable.")
@click.option("--samples", type=_FILE, help="samples.tsv, for experimentSamples; tells the technique of each file.")
@click.option("--panel", type=_FILE, help="panel.tsv, for reagents, and the reagents of each sample.")
@click.option("--reagents", type=_FILE, help="Table of 'immport reagents': clone, manufacturer, catalogue number.")
@click.option(
    "--fill", "what", type=click.Choice(["derived", "samples", "reagents"]), multiple=True,
    help="Templates to fill; repeatable.  [default: all that the tables allow]",
)  # fmt: skip
@click.option(
    "--set", "values", metavar="COLUMN=VALUE", multiple=True,
    help="Value for a column of experimentSamples or reagents that the tables do not tell; repeatable.",
)  # fmt: skip
@click.option("--schema", default="", help="Schema version.  [default: the newest known]")
@click.option(
    "--form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the templates."
)
@click.option(
    "--attach", multiple=True, type=click.Path(path_type=Path), help="File to put beside the templates; repeatable."
)
@click.option("--out", type=click.Path(path_type=Path), help="Zip (*.zip), in loading order, or folder to write to.")
@json_option
def template(
    list_all: bool, columns_of: str | None, empty_names: tuple[str, ...], populations: Path | None,
    workspace_file: str, statistic: str, methods: tuple[str, ...], samples: Path | None, panel: Path | None,
    reagents: Path | None, what: tuple[str, ...], values: tuple[str, ...], schema: str, form: str,
    attach: tuple[Path, ...], out: Path | None, json_path: Path | None,
) -> None:  # fmt: skip
    """Write ImmPort upload templates, empty or filled from the tables of this program.

    What is still missing for an upload is listed; 'immport validate' tells all.

    \b
    Examples:
      immport-cyto immport template --list
      immport-cyto immport template --empty subjectHumans --empty bioSamples --out templates/
      immport-cyto immport template --populations populations.tsv --samples samples.tsv --panel panel.tsv \\
          --workspace-file report.html --attach report.html --set "Protocol ID(s)=protocol-1" --out upload.zip
    """
    from immport_cyto.immport.templates.definitions import check_schema

    note = check_schema(schema)
    if note:
        click.echo(f"immport-cyto: warning: {note}", err=True)
    if list_all:
        _list(schema)
        return
    if columns_of:
        _list_columns(columns_of, schema)
        return
    if out is None or not (empty_names or populations or samples or panel or reagents):
        msg = "give --out and what to write: --empty NAME, --populations, --samples, --panel or --reagents"
        raise click.UsageError(msg)
    if out.suffix.lower() in (".txt", ".json", ".tsv", ".csv"):
        msg = f"--out {out}: give a folder or a zip (*.zip); the files in it get the names that ImmPort asks for"
        raise click.UsageError(msg)
    if populations and not workspace_file and (not what or "derived" in what):
        msg = "--populations needs --workspace-file: ImmPort asks for the file that describes the analysis"
        raise click.UsageError(msg)
    from immport_cyto import provenance
    from immport_cyto.immport import templates

    read = _read({"populations": populations, "samples": samples, "panel": panel, "reagents": reagents}, methods)
    options = {"statistic": statistic, "schema": schema, "workspace_file": workspace_file}
    filled = [templates.empty(name, schema) for name in empty_names]
    filled += _fill(read, what, options, _pairs(values))
    names = templates.write(filled, out, form=form, attach=attach)  # type: ignore[arg-type]
    notes = [text for one in filled for text in one.notes]
    for text in notes:
        click.echo(f"immport-cyto: warning: {text}", err=True)
    rows = {one.template.file: sum(len(frame) for frame in one.blocks.values()) for one in filled}
    for name, count in rows.items():
        click.echo(f"{name}: {counted(count, 'row')}")
    missing = _missing(out, bool(attach)) if not empty_names else []
    for line in missing:
        click.echo(f"still to do: {line}")
    if json_path:
        entry = provenance.record(
            "immport template",
            inputs=[path for path in (populations, samples, panel, reagents, *attach) if path],
            parameters={**options, "form": form, "set": dict(_pairs(values)), "methods": list(methods)},
            counts=rows,
            warnings=[*([note] if note else []), *notes],
            extra={"files": names, "still_to_do": missing},
        )
        provenance.write(json_path, entry)


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for text in values:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            msg = f"--set {text!r}: write COLUMN=VALUE"
            raise OptionError(msg)
        found[name.strip()] = value.strip()
    return found


def _read(paths: "dict[str, Path | None]", methods: tuple[str, ...]) -> "dict[str, pd.DataFrame]":
    from immport_cyto import immport, tables

    contracts = {
        "populations": tables.POPULATIONS, "samples": tables.SAMPLES, "panel": tables.PANEL,
        "reagents": immport.REAGENTS,
    }  # fmt: skip
    found = {name: tables.read(path, contracts[name]) for name, path in paths.items() if path}
    if methods and "populations" in found:
        chosen = found["populations"]["method"].isin(methods)
        if not chosen.any():
            there = ", ".join(sorted(set(found["populations"]["method"])))
            msg = f"--method {methods[0]!r}: no such population in {paths['populations']}; there are {there}"
            raise OptionError(msg)
        found["populations"] = found["populations"][chosen]
    return found


def _fill(
    read: "dict[str, pd.DataFrame]", what: tuple[str, ...], options: dict[str, str], values: dict[str, str]
) -> "list[Filled]":
    from immport_cyto.immport import templates

    filled: list[Filled] = []
    schema = options["schema"]
    used: dict[str, Any] = {}
    if "populations" in read and (not what or "derived" in what):
        filled += templates.derived_data(
            read["populations"], options["workspace_file"], samples=read.get("samples"),
            statistic=options["statistic"], schema=schema,  # type: ignore[arg-type]
        )  # fmt: skip
    if "samples" in read and (not what or "samples" in what):
        used["samples"] = templates.experiment_samples(read["samples"], panel=read.get("panel"), schema=schema)
    if ("panel" in read or "reagents" in read) and (not what or "reagents" in what):
        used["reagents"] = templates.reagents(
            read.get("panel"), read.get("reagents"), samples=read.get("samples"), schema=schema
        )
    targets = [one for found in used.values() for one in found]
    templates.set_values(targets, values)
    return filled + targets


def _missing(out: Path, with_files: bool) -> list[str]:
    """What validation would still refuse, once per file, column and rule, with the first message."""
    from immport_cyto.immport import templates

    report = templates.validate(out, look_for_files=with_files, privacy=False)
    found: dict[tuple[str, str, str], list[str]] = {}
    for finding in report.errors:
        found.setdefault((finding.file, finding.column, finding.rule), []).append(finding.message)
    return [f"{file}, {column}, {counted(len(texts), 'row')}: {texts[0]}" for (file, column, _), texts in found.items()]


def _list(schema: str) -> None:
    from immport_cyto.immport.templates import definitions

    click.echo("order\tname\tfile\tkind\tschema\tcolumns")
    for name in definitions.names():
        found = definitions.template(name, schema)
        count = sum(len(block.columns) for block in found.blocks)
        click.echo(f"{found.order}\t{name}\t{found.file}\t{found.kind}\t{found.schema}\t{count}")


def _list_columns(name: str, schema: str) -> None:
    from immport_cyto.immport import templates

    found = templates.empty(name, schema).template
    click.echo("block\tcolumn\trequired\tkind\tlength\tvocabulary\trefers to")
    for block in found.blocks:
        for column in block.columns:
            needed = "yes" if column.required else f"where {column.when}" if column.when else ""
            kind = f"{column.kind}, several joined by ;" if column.is_list else column.kind
            terms = column.vocabulary or (f"{column.preferred} (preferred)" if column.preferred else "")
            cells = (block.name, column.name, needed, kind, str(column.length or ""), terms, column.references)
            click.echo("\t".join(cells))
