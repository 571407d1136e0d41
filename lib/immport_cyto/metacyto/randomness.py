"""Random samples as R draws them, so that a run of MetaCyto after ``set.seed`` can be repeated.

Mersenne-Twister as R seeds it, with the rejection sampling that is R's default since version 3.6.
"""

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4096
_HASHED_FROM = 10_000_000  # from here on R draws again what it has drawn already, instead of shuffling


class RSample:
    """The stream of random numbers after ``set.seed(seed)``.

    Parameters
    ----------
    seed
        As given to ``set.seed``.

    Examples
    --------
    >>> RSample(42).sample(10, 4).tolist()
    [0, 4, 9, 7]
    """

    def __init__(self, seed: int) -> None:
        self._generator = _seeded(seed)
        self._buffer: list[int] = []

    def sample(self, n: int, size: int) -> NDArray[np.int64]:
        """``sample(n, size) - 1``: `size` different numbers of 0 to `n` - 1, in the order in which they are drawn."""
        drawn = np.empty(size, np.int64)
        if n > _HASHED_FROM and size <= n / 2:
            seen: set[int] = set()
            for i in range(size):
                while (value := self._below(n)) in seen:
                    pass
                seen.add(value)
                drawn[i] = value
            return drawn
        moved: dict[int, int] = {}  # where the shuffled numbers differ from 0, 1, 2, ...
        for i in range(size):
            place = self._below(n - i)
            drawn[i] = moved.get(place, place)
            moved[place] = moved.get(n - i - 1, n - i - 1)
        return drawn

    def uniform(self, size: int) -> NDArray[np.float64]:
        """``runif(size)``: numbers of 0 to below 1."""
        kept = self._buffer[::-1][:size]
        del self._buffer[len(self._buffer) - len(kept) :]
        words = np.concatenate([np.array(kept, dtype=np.uint64), self._generator.random_raw(size - len(kept))])
        found: NDArray[np.float64] = words * 2.0**-32
        return found

    def _below(self, n: int) -> int:
        """A number of 0 to `n` - 1."""
        bits = (n - 1).bit_length()
        while True:
            value = 0
            for _ in range(bits // 16 + 1):
                value = (value << 16) | (self._next() >> 16)
            value &= (1 << bits) - 1
            if value < n:
                return value

    def _next(self) -> int:
        if not self._buffer:
            self._buffer = self._generator.random_raw(_BLOCK).tolist()[::-1]
        return self._buffer.pop()


def _seeded(seed: int) -> np.random.MT19937:
    """The generator in the state in which ``set.seed`` leaves it: 50 + 625 steps of a linear congruence."""
    state = seed & 0xFFFFFFFF
    words = []
    for step in range(675):
        state = (69069 * state + 1) & 0xFFFFFFFF
        if step > 50:  # the first of the 625 words is the position, which R sets itself
            words.append(state)
    generator = np.random.MT19937()
    generator.state = {
        "bit_generator": "MT19937", "state": {"key": np.array(words, dtype=np.uint32), "pos": 624},
    }  # fmt: skip
    return generator
