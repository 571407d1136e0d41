"""Transforms of single channels; each is a small object whose text is enough to invert it.

======================================== =======================================================================
text                                     meaning of ``y = forward(x)``
======================================== =======================================================================
``linear``                               ``y = x``
``arcsinh:cofactor=150``                 ``y = arcsinh(x / 150)``
``log:T=262144,M=4.5``                   ``y = 1 + log10(x / T) / M``; what lies below ``T / 10 ** M`` becomes 0
``logicle:T=262144,W=0.5,M=4.5,A=0``     Gating-ML 2.0 logicle; ``y`` = 1 at ``x`` = T, and 0 decades at the low end
``hyperlog:T=262144,W=0.5,M=4.5,A=0``    Gating-ML 2.0 hyperlog; parameters and ends as for logicle
======================================== =======================================================================

The Gating-ML 2.0 ``fasinh(T, M, A)`` is a linear function of ``arcsinh(x / c)`` with ``c = T / sinh(M ln 10)``, see
`fasinh_cofactor`. `fast` gives logicle and hyperlog from a table.
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from immport_cyto.exceptions import OptionError

COFACTOR = {"flow": 150.0, "cytof": 5.0}
"""Default cofactors of arcsinh. MetaCyto uses 150 and 8."""

DEFAULT_WIDTH = 0.5


class Transform(Protocol):
    """A monotone function of the values of one channel; ``str()`` gives the text that `parse` reads."""

    @property
    def name(self) -> str:
        """Family of the transform."""

    def forward(self, x: Any) -> np.ndarray:
        """Transform values, float64."""

    def inverse(self, y: Any) -> np.ndarray:
        """Undo `forward`, float64."""


@dataclass(frozen=True)
class Linear:
    """The values as they are."""

    name: ClassVar[str] = "linear"

    def __str__(self) -> str:
        return self.name

    def forward(self, x: Any) -> np.ndarray:
        """Return the values as float64."""
        return np.asarray(x, dtype=np.float64)

    def inverse(self, y: Any) -> np.ndarray:
        """Return the values as float64."""
        return np.asarray(y, dtype=np.float64)


@dataclass(frozen=True)
class Arcsinh:
    """``arcsinh(x / cofactor)``: linear near zero, logarithmic far from it.

    Parameters
    ----------
    cofactor
        Where linear turns into logarithmic, in units of the channel; positive.
    """

    cofactor: float
    name: ClassVar[str] = "arcsinh"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cofactor) and self.cofactor > 0):
            msg = f"arcsinh cofactor {self.cofactor:g} is not a positive number; give one, such as 150 or 5"
            raise OptionError(msg)

    def __str__(self) -> str:
        return f"arcsinh:cofactor={_number(self.cofactor)}"

    def forward(self, x: Any) -> np.ndarray:
        """Transform values."""
        return np.arcsinh(np.asarray(x, dtype=np.float64) / self.cofactor)

    def inverse(self, y: Any) -> np.ndarray:
        """Undo `forward`."""
        return np.sinh(np.asarray(y, dtype=np.float64)) * self.cofactor


@dataclass(frozen=True)
class Log:
    """The logarithmic scale of Gating-ML 2.0, cut off at its low end.

    Parameters
    ----------
    T
        Top of the scale, in units of the channel; maps to 1.
    M
        Decades of the scale. Values below ``T / 10 ** M``, and all that are not positive, become 0.

    References
    ----------
    Gating-ML 2.0, section 6.2.
    """

    T: float = 262144.0
    M: float = 4.5
    name: ClassVar[str] = "log"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.T) and math.isfinite(self.M) and self.T > 0 and self.M > 0):
            msg = f"{self} is no logarithmic scale; it needs T > 0 and M > 0"
            raise OptionError(msg)

    def __str__(self) -> str:
        return f"log:T={_number(self.T)},M={_number(self.M)}"

    @property
    def low_end(self) -> float:
        """The value that maps to 0; what lies below cannot be brought back."""
        return float(self.T / 10.0**self.M)

    def forward(self, x: Any) -> np.ndarray:
        """Transform values."""
        values = np.maximum(np.asarray(x, dtype=np.float64), self.low_end)
        return np.maximum(1 + np.log10(values / self.T) / self.M, 0.0)

    def inverse(self, y: Any) -> np.ndarray:
        """Undo `forward`."""
        return self.T * 10.0 ** (self.M * (np.asarray(y, dtype=np.float64) - 1))


@dataclass(frozen=True)
class _Biexponential:
    """Two exponential branches joined around zero: what logicle and hyperlog share.

    Parameters
    ----------
    T
        Top of the scale, in units of the channel; maps to 1.
    W
        Width of the linear region in decades, 0 to M / 2.
    M
        Width of the whole positive scale in decades.
    A
        Additional decades of negative values.
    """

    T: float = 262144.0
    W: float = DEFAULT_WIDTH
    M: float = 4.5
    A: float = 0.0
    name: ClassVar[str]

    def __post_init__(self) -> None:
        valid = (
            all(math.isfinite(v) for v in (self.T, self.W, self.M, self.A))
            and self.T > 0
            and self.M > 0
            and 0 <= self.W <= self.M / 2
            and -self.W <= self.A <= self.M - 2 * self.W
        )
        if not valid:
            msg = f"{self} is no {self.name} scale; it needs T > 0, M > 0, 0 <= W <= M/2 and -W <= A <= M - 2W"
            raise OptionError(msg)

    def __str__(self) -> str:
        return f"{self.name}:T={_number(self.T)},W={_number(self.W)},M={_number(self.M)},A={_number(self.A)}"

    @property
    def zero(self) -> float:
        """Where 0 maps to; the scale is symmetric around this point."""
        return (self.W + self.A) / (self.M + self.A)

    def forward(self, x: Any) -> np.ndarray:
        """Transform values, exactly."""
        from flowutils import transforms

        values = np.asarray(x, dtype=np.float64)
        # flowutils 1.2.2 with W = 0 loses values next to zero (1e-12 becomes -1); they are zero on any scale
        values = np.where(np.abs(values) < 1e-13 * self.T, 0.0, values)
        return self._run(getattr(transforms, self.name), values)

    def inverse(self, y: Any) -> np.ndarray:
        """Undo `forward`."""
        from flowutils import transforms

        return self._run(getattr(transforms, f"{self.name}_inverse"), np.asarray(y, dtype=np.float64))

    def _run(self, function: Any, values: np.ndarray) -> np.ndarray:
        flat = function(np.ascontiguousarray(values).ravel(), None, t=self.T, m=self.M, w=self.W, a=self.A)
        return np.asarray(flat, dtype=np.float64).reshape(values.shape)


@dataclass(frozen=True)
class Logicle(_Biexponential):
    """The logicle scale of Gating-ML 2.0.

    References
    ----------
    Moore WA, Parks DR. Update for the logicle data scale including operational code implementations.
    Cytometry A 2012;81A:273-277. Gating-ML 2.0, section 6.4.
    """

    name: ClassVar[str] = "logicle"


@dataclass(frozen=True)
class Hyperlog(_Biexponential):
    """The hyperlog scale of Gating-ML 2.0; W must be above 0.

    References
    ----------
    Bagwell CB. Hyperlog: a flexible log-like transform for negative, zero, and positive valued data.
    Cytometry A 2005;64A:34-42. Gating-ML 2.0, section 6.5.
    """

    name: ClassVar[str] = "hyperlog"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.W <= 0:
            msg = f"{self} is no hyperlog scale; it needs W > 0"
            raise OptionError(msg)


def parse(text: str) -> Transform:
    """Read the text of a transform, such as ``arcsinh:cofactor=150``.

    Raises
    ------
    OptionError
        The name or a parameter is unknown, or a value makes no sense.
    """
    name, _, rest = text.strip().partition(":")
    kinds: dict[str, tuple[Any, tuple[str, ...]]] = {
        "linear": (Linear, ()),
        "arcsinh": (Arcsinh, ("cofactor",)),
        "log": (Log, ("T", "M")),
        "logicle": (Logicle, ("T", "W", "M", "A")),
        "hyperlog": (Hyperlog, ("T", "W", "M", "A")),
    }
    if name not in kinds:
        msg = (
            f"transform {text!r} is unknown; use linear, arcsinh:cofactor=150, log:T=262144,M=4.5, "
            "logicle:T=262144,W=0.5,M=4.5,A=0 or hyperlog with the same parameters"
        )
        raise OptionError(msg)
    kind, allowed = kinds[name]
    values: dict[str, float] = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        try:
            values[key.strip()] = float(value)
        except ValueError:
            msg = f"transform {text!r}: {part!r} is not of the form name=number; correct it"
            raise OptionError(msg) from None
        if key.strip() not in allowed:
            msg = f"transform {text!r}: {name} has no parameter {key.strip()!r}; it has {', '.join(allowed) or 'none'}"
            raise OptionError(msg)
    if name == "arcsinh" and not values:
        msg = f"transform {text!r} has no cofactor; write arcsinh:cofactor=150"
        raise OptionError(msg)
    transform: Transform = kind(**values)
    return transform


def fast(transform: Transform, x: np.ndarray) -> np.ndarray:
    """Transform the values of one channel; logicle and hyperlog by a table.

    Parameters
    ----------
    transform
        Any transform.
    x
        Finite values of one channel, shape (n,).

    Returns
    -------
    ndarray
        float32 within 2e-7 of ``transform.forward(x)`` for logicle and hyperlog; else exactly that, float64.
    """
    if isinstance(transform, Logicle | Hyperlog):
        from immport_cyto.events import _lookup

        return _lookup.forward(transform, x)
    return transform.forward(x)


def inverse(values: Any, transform: str) -> np.ndarray:
    """Turn transformed values back, with the text from the ``ICYTO_P<n>TRANSFORM`` keyword.

    Parameters
    ----------
    values
        Transformed values of one channel, any shape.
    transform
        Text such as ``arcsinh:cofactor=150``; an empty text means linear.

    Returns
    -------
    ndarray of float64
        The values before the transform, of the same shape.
    """
    return parse(transform or "linear").inverse(values)


def estimate_width(x: Any, top: float, m: float = 4.5) -> float:
    """Width W of a logicle scale that holds the negative values of a channel, see `width`.

    Without negative values it is 0.5.

    Parameters
    ----------
    x
        Compensated values of one channel.
    top
        T of the scale.
    m
        M of the scale.
    """
    values = np.asarray(x, dtype=np.float64)
    negative = values[values < 0]
    return width(negative_reference(negative), top, m) if len(negative) else DEFAULT_WIDTH


def negative_reference(negative: np.ndarray) -> float:
    """|r|, r being the 5 % quantile of the negative values of a channel."""
    return abs(float(np.quantile(negative.astype(np.float64), 0.05)))


def width(reference: float, top: float, m: float = 4.5) -> float:
    """``W = (M - log10(T / |r|)) / 2`` for the reference |r| of the negative values (Parks, Roederer, Moore 2006).

    The result lies in 0 ... M / 2 and is rounded to three digits, so that the keyword holds it exactly.
    """
    found = (m - math.log10(top / reference)) / 2 if reference > 0 else 0.0
    return round(min(max(found, 0.0), m / 2), 3)


def fasinh_cofactor(top: float, m: float) -> float:
    """Cofactor c for which Gating-ML's ``fasinh(T, M, A)`` is ``(arcsinh(x / c) + A ln 10) / ((M + A) ln 10)``."""
    return top / math.sinh(m * math.log(10))


def _number(value: float) -> str:
    """Shortest text that reads back to the same number, without a trailing ``.0``."""
    text = repr(float(value))
    return text.removesuffix(".0")
