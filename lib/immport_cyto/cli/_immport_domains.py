"""``immport-cyto immport domains``: studies as SDTM-named tables."""

from pathlib import Path

import click

from immport_cyto.cli._common import json_option
from immport_cyto.cli._immport_store import SeveralValues, opened, store_options, study_option

_NAMES = ["DM", "TA", "SE", "TV", "SV", "BE", "ZT", "ZB"]


@click.command(cls=SeveralValues)
@store_options
@study_option
@click.option(
    "--domain", "names", multiple=True, type=click.Choice(_NAMES, case_sensitive=False),
    help="Only this domain; may be repeated.  [default: all]",
)  # fmt: skip
@click.option(
    "--out-dir", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="Folder for dm.tsv, ta.tsv, se.tsv, tv.tsv, sv.tsv, be.tsv, zt.tsv and zb.tsv.",
)  # fmt: skip
@json_option
def domains(
    store_path: Path | None, packages: tuple[Path, ...], studies: tuple[str, ...], names: tuple[str, ...],
    out_dir: Path, json_path: Path | None,
) -> None:  # fmt: skip
    """Write studies as SDTM-named domains, as RImmPort did.

    \b
    DM  subjects           TV  planned visits     BE  biosamples
    TA  arms               SV  visits sampled     ZT  treatments of samples
    SE  subjects in arms                          ZB  population results
    \b
    Example:
      immport-cyto immport domains --metadata SDY144-DR28_Tab.zip --out-dir domains
    """
    with opened(store_path, packages) as store:
        from immport_cyto import immport, provenance, tables

        found = store.domains(studies or None)
        chosen = [name for name in _NAMES if not names or name in {text.upper() for text in names}]
        for name in chosen:
            tables.write(found[name], out_dir / immport.DOMAINS[name].name, immport.DOMAINS[name])
        counts = {name: len(found[name]) for name in chosen}
        click.echo(", ".join(f"{name}: {n_rows}" for name, n_rows in counts.items()) + " rows")
        if json_path:
            entry = provenance.record(
                "immport domains", inputs=packages, parameters={"studies": list(studies), "domains": chosen},
                counts=counts, warnings=store.load_findings, extra={"sources": store.sources()},
            )  # fmt: skip
            provenance.write(json_path, entry)
