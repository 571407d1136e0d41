"""``immport-cyto panel``: name what each channel measures."""

from pathlib import Path

import click

from immport_cyto.cli._common import collect_fcs, counted, files_option, json_option, quiet_option
from immport_cyto.cli._panel_package import read_packages
from immport_cyto.cli._panel_rename import rename


@click.group("panel")
def group() -> None:
    """Name what each channel measures."""


group.add_command(rename)


@group.command("harmonize")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@files_option
@click.option("--samples", type=click.Path(path_type=Path), help="samples.tsv, for the study of each file.")
@click.option(
    "--corrections", "corrections_path", type=click.Path(path_type=Path),
    help="Table that wins over the parser: file (with * and ?), channel ($PnN), antigen, role.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="panel.tsv: one row per file and channel.",
)  # fmt: skip
@click.option(
    "--panels", "panels_path", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="panels.tsv: one row per study and panel.",
)  # fmt: skip
@click.option("--presence", type=click.Path(path_type=Path, dir_okay=False), help="Table of markers by panels.")
@click.option("--figure", type=click.Path(path_type=Path, dir_okay=False), help="The same as a figure (SVG, PNG, PDF).")
@click.option(
    "--metadata", "metadata", multiple=True, type=click.Path(path_type=Path),
    help="ImmPort Tab package (zip or folder), once for each: its analytes give accessions and names that the "
    "vocabulary lacks, its reagents the markers of files whose channels name none.",
)  # fmt: skip
@click.option(
    "--immport-names", "comparison_path", type=click.Path(path_type=Path, dir_okay=False),
    help="Table of ImmPort's preferred names beside ours, with what differs and why (needs --metadata).",
)  # fmt: skip
@click.option(
    "--naming", type=click.Choice(["project", "immport"]), default="project", show_default=True,
    help="Names in column antigen of panel.tsv and panels.tsv: ours (CD3) or ImmPort's (hCD3E).",
)  # fmt: skip
@click.option(
    "--corrections-out", type=click.Path(path_type=Path, dir_okay=False),
    help="All decisions as a corrections table, to edit and use again.",
)  # fmt: skip
@click.option(
    "--failures", type=click.Path(path_type=Path, dir_okay=False),
    help="Table of files that could not be read.",
)  # fmt: skip
@json_option
@quiet_option
def harmonize(
    paths: tuple[Path, ...],
    files_json: Path | None,
    samples: Path | None,
    corrections_path: Path | None,
    out: Path,
    panels_path: Path,
    presence: Path | None,
    figure: Path | None,
    metadata: tuple[Path, ...],
    comparison_path: Path | None,
    naming: str,
    corrections_out: Path | None,
    failures: Path | None,
    json_path: Path | None,
    quiet: bool,
) -> None:
    """Give the channels of all files one set of names, and find the panels among them.

    PATH is a file or a folder. Findings (unknown names, a marker twice, near-panels) are printed on stderr. A file
    that cannot be read is reported and does not stop the others.

    \b
    Example:
      immport-cyto panel harmonize ResultFiles --samples samples.tsv --metadata SDY144-DR28_Tab.zip \\
        --out panel.tsv --panels panels.tsv --immport-names immport_names.tsv
    """
    from immport_cyto import panel, provenance, tables
    from immport_cyto.exceptions import PanelError

    files = collect_fcs(paths, files_json)
    studies: dict[str, str] = {}
    species: dict[str, str] = {}
    if samples is not None:
        table = tables.read(samples, tables.SAMPLES)
        studies = dict(zip(table["file_name"], table["study_accession"], strict=True))
        species = dict(zip(table["file_name"], table["species"], strict=True))
    package = read_packages(metadata, compared=comparison_path is not None)
    corrections = panel.read_corrections(corrections_path) if corrections_path is not None else None
    result = panel.harmonize(
        files, corrections=corrections, studies=studies, species=species, analytes=package.analytes,
        reagents=package.reagents, naming=naming, quiet=quiet,
    )  # fmt: skip
    warnings = [
        row.message if row.message.startswith(row.file_name) else f"{row.file_name}: {row.message}"
        for row in result.failures.itertuples()
    ] + result.findings
    if len(result.failures) == len(files):
        first = result.failures.iloc[0]
        msg = warnings[0] if len(files) == 1 else (
            f"none of the {len(files)} FCS files can be read (first: {first['message']})"
        )  # fmt: skip
        raise PanelError(msg)
    tables.write(result.panel, out, tables.PANEL)
    tables.write(result.panels, panels_path, tables.PANELS)
    if presence is not None:
        _write_presence(result.presence, presence)
    if corrections_out is not None:
        panel.write_corrections(result.corrections, corrections_out)
    if failures is not None:
        tables.write(result.failures, failures, tables.FAILURES)
    if comparison_path is not None and package.comparison is not None:
        tables.write(package.comparison, comparison_path, panel.COMPARISON)
    if figure is not None:
        from immport_cyto import report

        report.save(report.figures.panel_presence(result.panels), figure)
    warnings += package.about(result.panel["antigen"])
    for warning in warnings:
        click.echo(f"immport-cyto: warning: {warning}", err=True)
    used = len(files) - len(result.failures)
    click.echo(
        f"{out}: {counted(len(result.panel), 'channel')} of {counted(used, 'file')}, "
        f"{counted(len(result.panels), 'panel')}",
        err=True,
    )
    if json_path is not None:
        roles = result.panel["role"].value_counts()
        entry = provenance.record(
            "panel harmonize",
            inputs=[*files.values(), *metadata, *(p for p in (samples, corrections_path) if p is not None)],
            parameters={
                "corrections": corrections_path.name if corrections_path else None,
                "samples": samples.name if samples else None,
                "metadata": [path.name for path in metadata],
                "naming": naming,
            },
            counts={
                "files": len(files),
                "files_failed": len(result.failures),
                "channels": len(result.panel),
                "panels": len(result.panels),
                **{f"role_{role}": int(count) for role, count in sorted(roles.items())},
            },
            warnings=warnings,
        )
        provenance.write(json_path, entry)


def _write_presence(presence: "object", path: Path) -> None:
    import pandas as pd

    from immport_cyto.tables import Column, Table, write

    frame = pd.DataFrame(presence)
    columns = tuple(Column(str(name), "text" if name == "marker" else "int", "") for name in frame.columns)
    write(frame, path, Table("presence.tsv", "marker by panel", columns, ("marker",)))


@group.command("explain")
@click.argument("strings", metavar="STRING...", nargs=-1, required=True)
@click.option("--pnn", default="", help="$PnN of the channel, where the strings are $PnS.")
@click.option("--gates", is_flag=True, help="Read the strings as population definitions.")
@click.option("--population", is_flag=True, help="Read the strings as names of populations, such as TH_ICOSp_abs.")
@click.option(
    "--naming", type=click.Choice(["project", "immport"]), default="project", show_default=True,
    help="With immport, show the name that ImmPort's grammar gives, too, and why it differs.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per string, one per line.")
def explain(strings: tuple[str, ...], pnn: str, gates: bool, population: bool, naming: str, as_json: bool) -> None:
    """Show how channel names, population definitions or population names are read.

    \b
    Example:
      immport-cyto panel explain "161Dy_CD80" "CD4 PerCP Cy 5-5-A"
      immport-cyto panel explain --gates "CD14lo CD16+ monocyte"
    """
    import json

    from immport_cyto.panel import explain as explain_

    for position, text in enumerate(strings):
        answer = explain_.read(text, pnn=pnn, kind="gates" if gates else "population" if population else "channel")
        if naming == "immport" and not gates and not population:
            answer |= explain_.beside_immport(text, pnn=pnn)
        if as_json:
            click.echo(json.dumps(answer, ensure_ascii=True, sort_keys=True))
            continue
        if position:
            click.echo()
        for line in explain_.lines(answer):
            click.echo(line)
