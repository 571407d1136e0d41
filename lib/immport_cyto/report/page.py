"""``report.html``: one file that needs no network, with every table and figure of a run."""

import base64
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto import __version__, tables
from immport_cyto.files import write_text
from immport_cyto.progress import progress
from immport_cyto.report.section import Drawing, Section
from immport_cyto.report.sections import sections

if TYPE_CHECKING:
    import pandas as pd

ROWS_SHOWN = 300
_ROWS_PRINTED = 30  # as in report.css
_COMPRESS_ABOVE = 400_000
_WIDE = 9  # columns of a table that is printed across
_LONG = 300  # characters of a note that is folded


@dataclass(frozen=True)
class Picture:
    """A figure as it was drawn, its size in pixels."""

    svg: str
    width: int
    height: int

    @property
    def source(self) -> str:
        """The figure behind a data address: an image that cannot run scripts."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.encode()).decode()}"


@dataclass(frozen=True)
class Sheet:
    """A table ready for the page."""

    identifier: str
    name: str
    caption: str
    columns: list[tuple[str, str]]
    rows: list[list[str]]
    total: int
    download: str
    file_name: str


def _draw(content: Sequence[Section], quiet: bool) -> dict[Drawing, Picture]:
    """Draw the figures of all sections."""
    from immport_cyto.report.figures import svg

    drawn = {}
    drawings = [drawing for section in content for drawing in (*section.pictures, *section.folded)]
    with progress("drawing figures", len(drawings), quiet=quiet) as shown:
        for drawing in drawings:
            figure = drawing.draw()
            width, height = (round(96 * inches) for inches in figure.get_size_inches())
            drawn[drawing] = Picture(svg(figure), width, height)
            if shown:
                shown.step(drawing.caption)
    return drawn


def sheet(frame: "pd.DataFrame", name: str, caption: str, *, hide: Sequence[str] = ()) -> Sheet:
    """Put a table into the page: the first rows to look at, all of it to download.

    Columns of `hide`, and those that are empty in every row, are left out of the page, not of the download.
    """
    import pandas as pd

    text = tables.to_text(frame)
    content = text.to_csv(sep="\t", index=False, quoting=3, lineterminator="\n").encode()
    file_name, kind = name, "text/tab-separated-values"
    if len(content) > _COMPRESS_ABOVE:
        content, file_name, kind = gzip.compress(content, mtime=0), f"{name}.gz", "application/gzip"
    shown = [column for column in frame.columns if column not in hide and bool((text[column] != "").any())]
    numeric = {c: pd.api.types.is_numeric_dtype(frame[c].dtype) and frame[c].dtype != "boolean" for c in shown}
    head = frame[shown].head(ROWS_SHOWN)
    rows = [
        [
            _short(value) if numeric[column] else str(cell).replace(";", "; ")
            for column, value, cell in zip(shown, row, cells, strict=True)
        ]
        for row, cells in zip(
            head.itertuples(index=False, name=None),
            text[shown].head(ROWS_SHOWN).itertuples(index=False, name=None),
            strict=True,
        )
    ]
    return Sheet(
        identifier=name.replace(".", "-").replace("_", "-"),
        name=name,
        caption=caption,
        columns=[(str(column), "number" if numeric[column] else _kind(str(column))) for column in shown],
        rows=rows,
        total=len(frame),
        download=f"data:{kind};base64,{base64.b64encode(content).decode()}",
        file_name=file_name,
    )


def _kind(column: str) -> str:
    """Identifiers are not broken over lines; sentences get room."""
    if column in ("note", "warnings", "message"):
        return "sentence"
    if column in ("population", "definition", "phenotype", "term", "markers", "arm_name"):
        return "phrase"
    return "id" if column == "file_name" or column.endswith(("_id", "_accession")) else "text"


def _short(value: Any) -> str:
    """A number as people read it; the download holds all digits."""
    import pandas as pd

    if pd.isna(value):
        return ""
    if float(value).is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.4g}"


def build(
    out: Path | str,
    *,
    title: str,
    samples: "pd.DataFrame | None" = None,
    panel: "pd.DataFrame | None" = None,
    panels: "pd.DataFrame | None" = None,
    qc: "pd.DataFrame | None" = None,
    cutoffs: "pd.DataFrame | None" = None,
    channel_densities: "pd.DataFrame | None" = None,
    densities: "pd.DataFrame | None" = None,
    clusters: "pd.DataFrame | None" = None,
    cluster_medians: "pd.DataFrame | None" = None,
    populations: "pd.DataFrame | None" = None,
    effects: "pd.DataFrame | None" = None,
    meta: "pd.DataFrame | None" = None,
    annotations: "pd.DataFrame | None" = None,
    drift: "pd.DataFrame | None" = None,
    outliers: "pd.DataFrame | None" = None,
    batches: "pd.DataFrame | None" = None,
    reference: "pd.DataFrame | None" = None,
    places: "pd.DataFrame | None" = None,
    studies: "pd.DataFrame | None" = None,
    moderators: "pd.DataFrame | None" = None,
    subgroups: "pd.DataFrame | None" = None,
    cumulative: "pd.DataFrame | None" = None,
    asymmetry: "pd.DataFrame | None" = None,
    power: "pd.DataFrame | None" = None,
    failures: "pd.DataFrame | None" = None,
    truth: "pd.DataFrame | None" = None,
    provenance: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    batch: str = "batch",
    quiet: bool = True,
) -> None:
    """Write the report, whole or not at all.

    Every argument but `title` is a table of :mod:`immport_cyto.tables` and optional: what is given is shown.

    Parameters
    ----------
    out
        The HTML file to write.
    title
        Heading of the page.
    truth
        True effects of simulated studies (``population, term, effect``), shown beside the estimates.
    provenance
        A record of :mod:`immport_cyto.provenance`.
    warnings
        Sentences to show.
    batch
        Column of `samples` that names the batches of `batches`; populations that `immport_cyto.meta.adjust` made
        are shown before and after.
    quiet
        Show no progress.
    """
    given = {
        "samples": samples, "panel": panel, "panels": panels, "qc": qc, "cutoffs": cutoffs,
        "channel_densities": channel_densities, "densities": densities,
        "clusters": clusters, "cluster_medians": cluster_medians, "annotations": annotations,
        "drift": drift, "outliers": outliers,
        "populations": populations, "batches": batches, "reference": reference, "places": places, "effects": effects,
        "meta": meta, "studies": studies, "moderators": moderators, "subgroups": subgroups, "cumulative": cumulative,
        "asymmetry": asymmetry, "power": power, "failures": failures, "truth": truth,
    }  # fmt: skip
    frames = {name: frame for name, frame in given.items() if frame is not None and len(frame)}
    write_page(out, title, sections(frames, list(warnings), dict(provenance or {}), batch), quiet=quiet)


def write_page(
    out: Path | str, title: str, content: Sequence[Section], *, quiet: bool = True
) -> dict[Drawing, Picture]:
    """Write one self-contained page of sections, whole or not at all; all text in them is escaped.

    Returns
    -------
    dict
        The figures as they were drawn.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    drawn = _draw(content, quiet)
    environment = Environment(
        loader=PackageLoader("immport_cyto.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    assets = resources("immport_cyto.report") / "templates"
    script = (assets / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template("report.html.j2").render(
        title=title,
        version=__version__,
        style=(assets / "report.css").read_text(encoding="utf-8"),
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        sections=content,
        drawn=drawn,
        rows_shown=ROWS_SHOWN,
        rows_printed=_ROWS_PRINTED,
        wide=_WIDE,
        long=_LONG,
    )
    write_text(out, page)
    return drawn
