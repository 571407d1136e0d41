"""Points in two channels: what their colour means, limits of the axes, numbers of clusters, legends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from immport_cyto.report.figures._labels import number_points
from immport_cyto.report.figures._style import label, write_below
from immport_cyto.report.figures._tree import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 128
OTHER = (0.8, 0.83, 0.86)  # events of no cluster
_SMOOTH = 1.5
_NAMED, _NUMBERED = 30, 60
_SHADES = "viridis"
_TAIL = 0.001  # share of the events on each side that may lie beyond the axes; they are shown at the edge


@dataclass(frozen=True)
class Colouring:
    """What the colour of the events means.

    Attributes
    ----------
    title
        Name of the marker, or of the channel of clusters; "density" for the number of events nearby.
    values : ndarray, events
        Numbers of clusters (whole, from 1; 0 for none), or values of a marker; None for density.
    names
        Names of clusters, for those that have one.
    is_cluster
        Whether `values` are numbers of clusters.
    numbered
        Whether these numbers say something to the reader; those of groups of files do not.
    """

    title: str = "density"
    values: NDArray[Any] | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    is_cluster: bool = False
    numbered: bool = True

    def of(self, rows: NDArray[Any]) -> "Colouring":
        """The same for some of the events."""
        return replace(self, values=None if self.values is None else self.values[rows])

    def numbers(self) -> list[int]:
        """Clusters that hold events."""
        return [] if self.values is None else [int(number) for number in np.unique(self.values) if number > 0]

    def caption(self, number: int, limit: int = 30) -> str:
        """Number and name of a cluster; of a group its name."""
        name = label(self.names.get(number, ""), limit)
        return f"{number}  {name}".strip() if self.numbered else name


def axis_limits(values: NDArray[np.floating], tail: float = _TAIL) -> tuple[float, float]:
    """Range of an axis: all events, but a share of `tail` on each side may not stretch it to more than five times."""
    if not len(values):
        return 0.0, 1.0
    low, high = (float(edge) for edge in np.quantile(values, [tail, 1 - tail]))
    room = 2 * (high - low) or 0.5
    left, right = max(float(values.min()), low - room), min(float(values.max()), high + room)
    edge = 0.03 * (right - left) or 0.5
    return left - edge, right + edge


def local_density(points: NDArray[np.floating], limits: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Events near each event: a histogram of 128 x 128 bins, smoothed, from 0 to 1 by the square root."""
    from scipy.ndimage import gaussian_filter

    bins = [_bin(points[:, axis], limits[axis]) for axis in (0, 1)]
    counts = np.bincount(bins[0] * BINS + bins[1], minlength=BINS * BINS).reshape(BINS, BINS)
    smooth = np.sqrt(gaussian_filter(counts.astype(np.float64), _SMOOTH, mode="nearest"))
    found: NDArray[np.float64] = smooth[bins[0], bins[1]] / max(float(smooth.max()), 1e-12)
    return found


def _bin(values: NDArray[np.floating], limit: tuple[float, float]) -> NDArray[np.intp]:
    low, high = limit
    return np.clip(((values - low) / (high - low) * BINS).astype(np.intp), 0, BINS - 1)


def draw_events(
    axes: "Axes", points: NDArray[np.floating], colouring: Colouring, limits: Sequence[tuple[float, float]],
    every: Colouring,
) -> Any:  # fmt: skip
    """Draw the events; what a colour bar needs, None for clusters.

    Events beyond the axes are drawn at their edge. Denser ones, or larger values, lie above the others; of clusters
    the events are mixed by a fixed permutation, so that none lies above all others.
    """
    x, y = within(points, limits).T
    size = float(np.clip(30_000 / max(len(x), 1), 0.8, 9.0))
    common = {"s": size, "linewidths": 0, "rasterized": True}
    mapped = None
    if colouring.is_cluster and colouring.values is not None:
        numbers = colouring.values.astype(np.int64)
        known = sorted({*every.numbers(), *colouring.numbers()})
        shades = dict(zip(known, colours(known), strict=True)) | {0: OTHER}
        order = np.random.default_rng(0).permutation(len(x))
        order = order[np.argsort(numbers[order] > 0, kind="stable")]
        axes.scatter(x[order], y[order], c=[shades[max(int(k), 0)] for k in numbers[order]], alpha=0.75, **common)
    else:
        shown = local_density(points, limits) if colouring.values is None else colouring.values.astype(np.float64)
        order = np.argsort(shown, kind="stable")
        low, high = (
            (0.0, 1.0) if colouring.values is None else value_limits(shown if every.values is None else every.values)
        )
        mapped = axes.scatter(x[order], y[order], c=shown[order], cmap=_SHADES, vmin=low, vmax=high, **common)
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    return mapped


def within(points: NDArray[np.floating], limits: Sequence[tuple[float, float]]) -> NDArray[np.floating]:
    """Events beyond the axes at their edge."""
    return np.column_stack([np.clip(points[:, axis], *limits[axis]) for axis in (0, 1)])


def value_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Range of a colour bar: 1st to 99th percentile."""
    if not len(values):
        return 0.0, 1.0
    low, high = np.quantile(values.astype(np.float64), [0.01, 0.99])
    return float(low), float(high if high > low else low + 1)


def number_clusters(figure: Any, panels: Sequence[tuple["Axes", NDArray[np.floating], Colouring]]) -> None:
    """Number each cluster at the median of its events, in panels of (axes, points, colouring); lays the figure out."""
    if not any(colouring.is_cluster and colouring.numbered for _, _, colouring in panels):
        return
    figure.draw_without_rendering()
    for axes, points, colouring in panels:
        numbers = colouring.numbers()
        if numbers and len(numbers) <= _NUMBERED:
            medians = [np.median(points[colouring.values == number], axis=0) for number in numbers]
            number_points(axes, np.stack(medians), numbers, colours(numbers))


def key(figure: Any, colouring: Colouring, mapped: Any) -> None:
    """A legend of clusters, or a colour bar."""
    if colouring.is_cluster:
        from matplotlib.patches import Patch

        numbers = colouring.numbers()
        handles = [
            Patch(facecolor=shade, label=colouring.caption(number))
            for number, shade in zip(numbers[:_NAMED], colours(numbers[:_NAMED]), strict=True)
        ]
        if len(numbers) > _NAMED:
            handles.append(Patch(facecolor="white", label=f"and {len(numbers) - _NAMED} more"))
        if colouring.values is not None and bool((colouring.values <= 0).any()):
            handles.append(Patch(facecolor=OTHER, label="other events"))
        if handles:
            figure.legend(
                handles=handles, loc="outside right upper", fontsize=7, frameon=False, title=label(colouring.title, 26),
                title_fontsize=8,
            )  # fmt: skip
    elif mapped is not None and colouring.values is not None:
        height = float(figure.bbox.height) / float(figure.dpi)
        bar = figure.colorbar(mapped, ax=figure.axes, shrink=min(0.8, 3 / height), pad=0.01, aspect=20)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=7)
        bar.set_label(label(colouring.title, 30), fontsize=8)


def key_width(colouring: Colouring) -> float:
    """Room for the legend beside the panels, in inches."""
    if not colouring.is_cluster:
        return 0.3 if colouring.values is None else 1.0
    longest = max((len(label(name, 30)) for name in colouring.names.values()), default=0)
    return 1.7 + 0.055 * max(longest - 12, 0)


def note_below(figure: Any, note: str, colouring: Colouring) -> None:
    """Line below: what is shown, and what the colours mean where no legend says it."""
    said = "colour: events nearby, from few (dark) to many (bright)" if colouring.values is None else ""
    text = "; ".join(filter(None, (note, said)))
    if text:
        write_below(figure, text)
