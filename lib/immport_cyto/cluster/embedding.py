"""Events in two dimensions that keep neighbours together: t-SNE and UMAP, the same points for any number of threads."""

import io
import re
from contextlib import nullcontext, redirect_stdout

import numpy as np
from numpy.typing import NDArray

from immport_cyto.exceptions import AnalysisError, MissingExtraError, OptionError
from immport_cyto.progress import Progress, progress

METHODS = ("tsne", "umap")
_PERPLEXITY, _NEIGHBOURS = 30.0, 15
_FEWEST = 20  # events
_ITERATIONS = 1000  # of t-SNE at most: it ends where nothing moves any more
_EPOCHS, _EPOCHS_OF_MANY, _MANY = 500, 200, 10_000  # of UMAP; for more than so many events: as umap-learn chooses


def embed(
    values: NDArray[np.floating], method: str = "tsne", seed: int = 42, *, neighbours: int | None = None,
    quiet: bool = True,
) -> NDArray[np.float32]:  # fmt: skip
    """Place events in the plane.

    Parameters
    ----------
    values : ndarray, events x markers
        Finite, on a scale on which distances mean something (transformed).
    method
        ``"tsne"`` (Barnes-Hut, starting from the first two principal components) or ``"umap"`` (extra ``umap``).
    seed
        Of all random choices.
    neighbours
        Perplexity of t-SNE, or number of neighbours of UMAP; 30 and 15 where not given.
    quiet
        Show no progress.

    Returns
    -------
    ndarray of float32, events x 2

    Raises
    ------
    AnalysisError
        Fewer than 20 events, or all of them are equal.
    OptionError
        An unknown method, or more neighbours than a third of the events.
    MissingExtraError
        UMAP is not installed.

    Notes
    -----
    One thread: the order in which threads add up forces would change the last bits, and these the picture.

    References
    ----------
    van der Maaten 2014, J Mach Learn Res 15:3221; Kobak and Berens 2019, doi:10.1038/s41467-019-13056-x (start from
    principal components); McInnes et al. 2018, arXiv:1802.03426.
    """
    if method not in METHODS:
        msg = f"embedding {method!r} is not known; choose {' or '.join(METHODS)}"
        raise OptionError(msg)
    if len(values) < _FEWEST:
        msg = f"{len(values)} events are too few for an embedding; give {_FEWEST} or more"
        raise AnalysisError(msg)
    near = neighbours if neighbours is not None else (_PERPLEXITY if method == "tsne" else _NEIGHBOURS)
    near = min(near, (len(values) - 1) // 3) if neighbours is None else near
    if near > (len(values) - 1) / 3:
        msg = f"{near:g} neighbours are too many for {len(values)} events; give at most {(len(values) - 1) // 3}"
        raise OptionError(msg)
    X = np.ascontiguousarray(values, dtype=np.float32)
    if not np.ptp(X, axis=0).any():
        msg = "all events are equal, so there is nothing to embed; choose other markers"
        raise AnalysisError(msg)
    return _tsne(X, float(near), seed, quiet) if method == "tsne" else _umap(X, int(near), seed, quiet)


class _Told(io.TextIOBase):
    """Takes what a library writes about its rounds, and shows them as our progress."""

    def __init__(self, shown: Progress, rounds: str) -> None:
        self.shown, self.rounds = shown, re.compile(rounds)

    def write(self, text: str) -> int:
        for number in map(int, self.rounds.findall(text)):
            if number > self.shown.done:
                self.shown.step(parts=number - self.shown.done)
        return len(text)


def _tsne(X: NDArray[np.float32], perplexity: float, seed: int, quiet: bool) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    start = _principal(X) * np.float32(1e-4)
    with threadpool_limits(limits=1), progress("t-SNE iterations", _ITERATIONS, quiet=quiet) as shown:
        # every 50 iterations scikit-learn prints one line, and has no other way to tell
        model = TSNE(
            perplexity=perplexity, init=start, random_state=seed, n_jobs=1, max_iter=_ITERATIONS,
            verbose=2 if shown else 0,
        )  # fmt: skip
        with redirect_stdout(_Told(shown, r"Iteration (\d+):")) if shown else nullcontext():
            points = model.fit_transform(X)
        if shown:
            shown.total = shown.done
        return np.asarray(points, dtype=np.float32)


def _umap(X: NDArray[np.float32], neighbours: int, seed: int, quiet: bool) -> NDArray[np.float32]:
    try:
        from umap import UMAP  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        package, extra = "umap-learn", "umap"
        raise MissingExtraError(package, extra) from error
    from threadpoolctl import threadpool_limits

    epochs = _EPOCHS if len(X) <= _MANY else _EPOCHS_OF_MANY
    with threadpool_limits(limits=1), progress("UMAP epochs", epochs, quiet=quiet) as shown:
        told = {"disable": False, "file": _Told(shown, r"^\s*(\d+)/"), "bar_format": "{n}/{total}", "miniters": 1,
                "mininterval": 0} if shown else None  # fmt: skip
        model = UMAP(n_neighbors=neighbours, init=_principal(X) * np.float32(10), random_state=seed, n_jobs=1,
                     n_epochs=epochs, tqdm_kwds=told)  # fmt: skip
        return np.asarray(model.fit_transform(X), dtype=np.float32)


def _principal(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """First two principal components, the first with standard deviation 1; signs fixed by their largest loading."""
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    variance, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, np.argsort(-variance, kind="stable")[:2]]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    found = centred @ axes
    if found.shape[1] == 1:
        found = np.column_stack([found, np.zeros(len(found))])
    return (found / max(float(found[:, 0].std()), 1e-12)).astype(np.float32)
