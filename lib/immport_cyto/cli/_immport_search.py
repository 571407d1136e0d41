"""``immport-cyto immport search`` and ``reagents``: ask a store what there is."""

from pathlib import Path

import click

from immport_cyto.cli._common import counted, json_option
from immport_cyto.cli._immport_results import read_days
from immport_cyto.cli._immport_store import SeveralValues, opened, store_options, study_option

_SHOWN = 12
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(cls=SeveralValues)
@store_options
@study_option
@click.option(
    "--marker", "markers", multiple=True, help="Marker of the panel, or several joined by commas; repeatable."
)
@click.option("--panel", default="", help="panel_id, as 'search' and 'panel harmonize' list it.")
@click.option("--technique", default="", help="flow or cytof.")
@click.option("--species", default="", help="Such as 'Homo sapiens', or human, mouse.")
@click.option("--biosample-type", default="", help="Such as PBMC.")
@click.option("--age-min", type=float, help="Years, this age included.")
@click.option("--age-max", type=float, help="Years, this age included.")
@click.option("--sex", default="", help="Such as Female.")
@click.option("--arm", default="", help="Part of the name of the arm or cohort, or ARMn.")
@click.option("--condition", default="", help="Part of the condition studied.")
@click.option("--visit", default="", help="Part of the name of the planned visit, or PVn.")
@click.option(
    "--days", metavar="DAY[:DAY]", help="Day of collection after the study's time zero, or from one to another."
)
@click.option(
    "--list", "level", type=click.Choice(["studies", "samples", "files", "panels"]), default="studies",
    show_default=True, help="What to list; files are a samples.tsv for the next steps.",
)  # fmt: skip
@click.option("--out", required=True, type=_FILE, help="Table to write.")
@json_option
def search(
    store_path: Path | None, packages: tuple[Path, ...], studies: tuple[str, ...], markers: tuple[str, ...],
    panel: str, technique: str, species: str, biosample_type: str, age_min: float | None, age_max: float | None,
    sex: str, arm: str, condition: str, visit: str, days: str | None, level: str, out: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Find studies, samples, files or panels: markers in one panel, technique, species, age, sex, arm, visit, ...

    \b
    Example:
      immport-cyto immport search --store immport.sqlite --marker CD3,CD4,CD45RA,CCR7 --biosample-type PBMC \\
          --age-min 60 --out studies.tsv
    """
    first, last = read_days(days) if days else (None, None)
    names = tuple(name for text in markers for name in text.split(",") if name.strip())
    if markers and not names:
        msg = "--marker is empty; name a marker, or leave it out"
        raise click.UsageError(msg)
    conditions = {
        "studies": studies, "markers": names,
        "panel": panel, "technique": technique, "species": species, "biosample_type": biosample_type,
        "age_min": age_min, "age_max": age_max, "days_min": first, "days_max": last, "sex": sex, "arm": arm,
        "condition": condition, "visit": visit,
    }  # fmt: skip
    with opened(store_path, packages) as store:
        from immport_cyto import immport, provenance, tables

        found = store.search(level, **conditions)
        tables.write(found, out, immport.LEVELS[level])
        accessions = list(dict.fromkeys(found["study_accession"]))
        n_studies = len(accessions)
        what = counted(n_studies, "study")
        if level != "studies":
            what = f"{counted(len(found), level[:-1])} of {what}"
        more = f" and {n_studies - _SHOWN} more" if n_studies > _SHOWN else ""
        click.echo(f"{what}: {', '.join(accessions[:_SHOWN])}{more}" if accessions else f"{what} with all of this")
        if json_path:
            given = {name: value for name, value in conditions.items() if value not in ("", None, ())}
            entry = provenance.record(
                "immport search", inputs=packages, parameters={"list": level, **given},
                counts={level: len(found), "studies": n_studies}, extra={"sources": store.sources()},
            )  # fmt: skip
            provenance.write(json_path, entry)


@click.command(cls=SeveralValues)
@store_options
@study_option
@click.option("--target", default="", help="Antigen, such as CD25.")
@click.option("--reporter", default="", help="Fluorochrome or isotope, such as PE or 142Nd.")
@click.option("--clone", default="", help="Clone, such as RPA-T4.")
@click.option("--manufacturer", default="", help="Part of the name.")
@click.option("--catalog-number", default="", help="Catalogue number.")
@click.option(
    "--out", required=True, type=_FILE, help="reagents.tsv: one row per reagent, with its studies and panels."
)
@json_option
def reagents(
    store_path: Path | None, packages: tuple[Path, ...], studies: tuple[str, ...], target: str, reporter: str,
    clone: str, manufacturer: str, catalog_number: str, out: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """List the reagents that samples used: clone, target, conjugate, vendor, studies and panels; sets expanded.

    A conjugate, clone, vendor or number that no reagent of the store has is an error that names what there is.

    \b
    Example:
      immport-cyto immport reagents --store immport.sqlite --target CD25 --reporter PE --out reagents.tsv
    """
    with opened(store_path, packages) as store:
        from immport_cyto import immport, provenance, tables

        found = store.reagents(
            target, reporter=reporter, clone=clone, manufacturer=manufacturer, catalog_number=catalog_number,
            studies=studies,
        )  # fmt: skip
        tables.write(found, out, immport.REAGENTS)
        click.echo(counted(len(found), "reagent") + ("" if len(found) else " with all of this"))
        if json_path:
            parameters = {
                "target": target, "reporter": reporter, "clone": clone, "manufacturer": manufacturer,
                "catalog_number": catalog_number, "studies": list(studies),
            }  # fmt: skip
            entry = provenance.record(
                "immport reagents", inputs=packages, parameters=parameters, counts={"reagents": len(found)},
                extra={"sources": store.sources()},
            )  # fmt: skip
            provenance.write(json_path, entry)
