"""Where passes over the events run: in this process on threads, or on the workers of a Dask scheduler.

A pass is one function over items (chunks of events), whose results come back in the order of the items whoever computed
them and however often, so they add up to the same bits everywhere. What travels to workers is the function and the item
(for files: the path), what comes back is the result; the files are read where the workers are, under the same paths.
"""

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from immport_cyto.exceptions import AnalysisError, MissingExtraError, OptionError
from immport_cyto.progress import progress

T = TypeVar("T")
R = TypeVar("R")

CONNECT_SECONDS = 30


class Execution:
    """Run passes; a context manager, because a scheduler is connected to.

    Parameters
    ----------
    jobs
        Threads, without a scheduler.
    scheduler
        Address of a Dask scheduler, such as ``tcp://host:8786``. Workers that end on the way do not change the result.
    quiet
        Show no progress.

    Raises
    ------
    MissingExtraError
        A scheduler is given and ``distributed`` is not installed.
    OptionError
        No scheduler answers at the address, or it has no workers.
    """

    def __init__(self, jobs: int = 1, scheduler: str | None = None, *, quiet: bool = True) -> None:
        self.jobs, self.scheduler, self.quiet = jobs, scheduler, quiet
        self._client: Any = None

    def __enter__(self) -> Self:
        if self.scheduler is not None:
            self._client = _connect(self.scheduler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()

    @property
    def remote(self) -> bool:
        """Whether the passes run in other processes, so that functions cannot fill arrays of this one."""
        return self.scheduler is not None

    def map(self, function: Callable[[T], R], items: Sequence[T], label: str) -> Iterator[R]:
        """Results of `function` for `items`, in their order; `label` says for the progress what is done."""
        with progress(label, len(items), quiet=self.quiet or len(items) < 2) as shown:
            for result in self._run(function, items):
                if shown:
                    shown.step()
                yield result

    def _run(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        if self._client is not None:
            yield from self._submit(function, items)
        elif self.jobs == 1 or len(items) < 2:
            yield from map(function, items)
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(self.jobs) as pool:
                yield from pool.map(function, items)

    def _submit(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        from distributed import KilledWorker

        futures = self._client.map(function, items, pure=False)
        try:
            while futures:
                future = futures.pop(0)  # results that were taken leave the memory of the workers
                yield future.result()
        except KilledWorker as error:
            msg = f"{self.scheduler}: workers ended again and again on the same events; see their logs"
            raise AnalysisError(msg) from error
        finally:
            self._client.cancel(futures)


def _connect(address: str) -> Any:
    try:
        import distributed
    except ImportError as error:
        package = extra = "distributed"
        raise MissingExtraError(package, extra) from error
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:  # a time-out is an OSError
        msg = f"{address}: no Dask scheduler answers there; give its address, such as tcp://host:8786"
        raise OptionError(msg) from error
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        client.close()
        msg = f"{address}: the Dask scheduler has no workers; start some with 'dask worker {address}'"
        raise OptionError(msg) from error
    return client
