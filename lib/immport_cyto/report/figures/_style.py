"""One look for all figures: palette, sizes, and how a figure becomes a file."""

import io
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import OptionError
from immport_cyto.files import atomic_path, write_text
from immport_cyto.report.wording import words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito (2008), told apart with every kind of colour vision
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
INK, MUTED, GRID = "#1b2733", "#5b6875", "#dde3e8"

_RC = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "immport-cyto",
    "text.parse_math": False,
    "figure.dpi": 100,
    "savefig.dpi": 150,
}
_ID = re.compile(r'(?<= id=")[^"]+(?=")')
_REFERENCE = re.compile(r"""( id="|"#|url\(#)([^")]+)([")])""")
_PLACES = re.compile(r'(?<= d=")[^"]+|(?<= [xy]=")-?[\d.]+(?=")')
_DIGITS = re.compile(r"-?\d+\.\d{3,}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def style() -> Any:
    """Context in which figures are drawn and saved."""
    import matplotlib as mpl

    return mpl.rc_context(_RC)


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, size in inches, not known to pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def label(text: object, limit: int = 48) -> str:
    """Text from outside, fit for a figure: no control characters, not too long."""
    clean = _CONTROL.sub(" ", str(text)).replace("\n", " ")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def file_label(name: object, limit: int = 34) -> str:
    """Name of a file, fit for a figure; of a long one start and end, because files of a study often begin alike."""
    clean = label(name, 10_000)
    start = 2 * limit // 5
    return clean if len(clean) <= limit else f"{clean[:start]}…{clean[start + 1 - limit :]}"


def term_label(term: object) -> str:
    """A term of a model as an axis label: ``age_years`` is "age (years)"."""
    return label(words(term), 48)


def write_below(figure: Any, text: str) -> None:
    """A line below a figure, or lines where it is too long."""
    room = int(figure.bbox.width / figure.dpi * 72 / 3.9)
    figure.supxlabel(textwrap.fill(text, room), fontsize=7, color=MUTED, x=0.01, ha="left")


def svg(figure: "Figure") -> str:
    """The figure as SVG text; the same figure gives the same bytes."""
    stream = io.StringIO()
    with style():
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return _shorten(_renumber(stream.getvalue()))


def _shorten(text: str) -> str:
    """Write places to 0.01 points, which nobody sees and halves an SVG of curves; text is left as it is."""
    return _PLACES.sub(lambda match: _DIGITS.sub(lambda number: f"{float(number[0]):.2f}", match[0]), text)


def _renumber(text: str) -> str:
    """Name the parts of an SVG by their order: matplotlib's names are hashes that rounding noise can change."""
    names = {old: f"i{number}" for number, old in enumerate(dict.fromkeys(_ID.findall(text)), start=1)}
    return _REFERENCE.sub(lambda match: f"{match[1]}{names.get(match[2], match[2])}{match[3]}", text)


def save(figure: "Figure", path: Path | str) -> None:
    """Write the figure as SVG, PNG or PDF, by the ending of `path`.

    Raises
    ------
    OptionError
        The ending is none of these.
    """
    path = Path(path)
    kind = path.suffix.lower().lstrip(".")
    metadata: dict[str, dict[str, None]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    if kind == "svg":
        write_text(path, svg(figure))
        return
    if kind not in metadata:
        msg = f"{path}: figures are written as .svg, .png or .pdf; change the ending"
        raise OptionError(msg)
    with atomic_path(path) as temporary, style():
        figure.savefig(temporary, format=kind, metadata=metadata[kind])
