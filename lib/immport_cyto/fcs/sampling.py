"""Random subsets of the events of files: how many of each file, and which."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immport_cyto.exceptions import OptionError
from immport_cyto.fcs.file import FCSFile, open_fcs
from immport_cyto.fcs.writer import write_blocks

Quota = Literal["equal", "proportional"]

_EVENTS = 100_000


@dataclass(frozen=True)
class Plan:
    """How many events are wanted: of each file, or in all.

    Attributes
    ----------
    per_file
        At most so many of each file.
    total
        So many of all files together, or all events where there are fewer.
    quota
        How a total is shared: ``"equal"``, or ``"proportional"`` to the events of each file.
    seed
        Of the choice. The choice in a file depends on the seed and on its name, not on the other files.
    """

    per_file: int | None = None
    total: int | None = None
    quota: Quota = "equal"
    seed: int = 42

    def of(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Events to take of each file, given how many it has.

        Raises
        ------
        OptionError
            Both a total and a number per file are wanted, or a number is below 1.
        """
        wanted = self.per_file if self.total is None else self.total
        if self.per_file is not None and self.total is not None:
            msg = "a total and a number per file exclude each other; give one of the two"
            raise OptionError(msg)
        if wanted is not None and wanted < 1:
            msg = f"{wanted} events are wanted; give a number of 1 or more"
            raise OptionError(msg)
        if self.total is not None:
            return quotas(counts, self.total, self.quota)
        return {name: count if wanted is None else min(count, wanted) for name, count in counts.items()}

    def described(self) -> dict[str, Any]:
        """For keywords and provenance."""
        return {"per_file": self.per_file, "total": self.total, "quota": self.quota, "seed": self.seed}


def quotas(counts: Mapping[str, int], total: int, quota: Quota) -> dict[str, int]:
    """Share a total over files.

    Parameters
    ----------
    counts
        Events of each file.
    quota
        ``"equal"``: the same number of each; what a small file lacks is shared by the others, and a remainder goes to
        the first by name. ``"proportional"``: by the largest remainder, ties to the first by name.

    Returns
    -------
    dict
        Events of each file; their sum is `total`, or that of `counts` where it is smaller.
    """
    names = sorted(counts)
    everything = sum(counts.values())
    if total >= everything:
        return dict(counts)
    if quota == "proportional":
        shares = {name: divmod(total * counts[name], everything) for name in names}
        given = {name: whole for name, (whole, _) in shares.items()}
        order = sorted(names, key=lambda name: (-shares[name][1], name))
        for name in order[: total - sum(given.values())]:
            given[name] += 1
        return given
    # the highest level at which all files together do not exceed the total
    level, above = 0, total
    while level < above:
        middle = (level + above + 1) // 2
        if sum(min(count, middle) for count in counts.values()) <= total:
            level = middle
        else:
            above = middle - 1
    given = {name: min(counts[name], level) for name in names}
    for name in [name for name in names if counts[name] > level][: total - sum(given.values())]:
        given[name] += 1
    return given


def choose(name: str, n_events: int, wanted: int, seed: int) -> npt.NDArray[np.int64] | None:
    """Positions of the events to take, ascending; None for all of them."""
    if wanted >= n_events:
        return None
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    rng = np.random.default_rng([seed, *np.frombuffer(digest, "<u4").tolist()])
    return np.sort(rng.choice(n_events, wanted, replace=False, shuffle=False))


def taken(
    f: FCSFile, positions: npt.NDArray[np.int64] | None, channels: list[int] | None = None
) -> Iterator[npt.NDArray[np.float32]]:
    """The events at some positions (ascending), or all, in blocks."""
    for start in range(0, f.n_events, _EVENTS):
        stop = min(start + _EVENTS, f.n_events)
        if positions is None:
            yield f.events(channels, start, stop)
            continue
        first, last = np.searchsorted(positions, (start, stop))
        if last > first:
            yield f.events(channels, start, stop)[positions[first:last] - start]


def sample(
    files: Mapping[str, Path], targets: Mapping[str, Path], plan: Plan, *, partial: bool = False
) -> list[dict[str, Any]]:
    """Write a random subset of each file, events in their order, all keywords kept.

    ``ICYTO_SAMPLE`` of each file holds the plan and the counts as JSON. ANALYSIS and OTHER segments, which speak of all
    events, are left out.

    Parameters
    ----------
    files, targets
        By file name: the file, and the file to write.

    Returns
    -------
    list of dict
        ``file_name``, ``n_events_in`` and ``n_events_out`` of each file.
    """
    opened = {name: open_fcs(files[name], partial=partial) for name in sorted(files)}
    wanted = plan.of({name: f.n_events for name, f in opened.items()})
    rows = []
    for name, f in opened.items():
        sample_to(targets[name], name, f, wanted[name], plan)
        rows.append({"file_name": name, "n_events_in": f.n_events, "n_events_out": wanted[name]})
    return rows


def sample_to(target: Path, name: str, f: FCSFile, wanted: int, plan: Plan) -> None:
    """Write `wanted` events of one file."""
    positions = choose(name, f.n_events, wanted, plan.seed)
    record = {**plan.described(), "n_events_in": f.n_events, "n_events_out": wanted}
    keywords = {**f.keywords, "ICYTO_SAMPLE": json.dumps(record, sort_keys=True)}
    write_blocks(target, lambda: taken(f, positions), wanted, f.channels, keywords)
