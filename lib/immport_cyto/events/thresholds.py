"""Explicit thresholds of quality control, as a user writes them: ``dead: Zombie Aqua-A > 2000``.

===================================== ============================================================================
text                                  which events are dropped
===================================== ============================================================================
``debris: FSC-A < 30000``             those below; the value is on the linear scale, compensated
``doublet: FSC-A / FSC-H > 1.4``      those whose ratio is above (a height of zero or less counts as above)
``time: shift > 0.2``                 bins of time in which the mean rank of a channel is off by more than 0.2
``time: rate > 3``                    bins of time with less than 1/3 or more than 3 times the usual rate
``bead: off``                         none
===================================== ============================================================================

A rule replaces the automatic gate of its reason; of several rules for one reason, each drops events. Channels are named
by $PnN, or by $PnS or the harmonised marker where that is the name of one channel only.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from immport_cyto.events.gates import Columns, Gate
from immport_cyto.exceptions import OptionError

REASONS = ("margin", "time", "bead", "debris", "doublet", "dead")
"""Gates in their order."""

_RULE = re.compile(r"\s*([a-z]+)\s*:\s*(.+?)\s*", re.IGNORECASE | re.DOTALL)
_LIMIT = re.compile(r"(.+?)\s*([<>])\s*(\S+)", re.DOTALL)
_STABILITY = ("shift", "rate")


@dataclass(frozen=True)
class Threshold:
    """One rule.

    Attributes
    ----------
    reason
        One of `REASONS`.
    subject
        What is compared: the name of a channel, ``A / B``, ``shift`` or ``rate``; empty for *off*.
    sign
        ``<`` or ``>``: which side is dropped.
    value
        The threshold.
    """

    reason: str
    subject: str = ""
    sign: str = ">"
    value: float = math.nan

    def __str__(self) -> str:
        return f"{self.subject} {self.sign} {self.value:.12g}" if self.subject else "off"

    @property
    def is_stability(self) -> bool:
        """Whether it sets a limit of the check of time."""
        return self.reason == "time" and self.subject in _STABILITY


Rules = dict[str, tuple[Threshold, ...]]


def parse_rules(texts: Sequence[str]) -> Rules:
    """Read rules, by reason.

    Raises
    ------
    OptionError
        A text is not of the form ``reason: channel > number``, or rules contradict each other.
    """
    rules: Rules = {}
    for text in texts:
        rule = _parse(text)
        rules[rule.reason] = (*rules.get(rule.reason, ()), rule)
    for reason, given in rules.items():
        if len(given) > 1 and any(not rule.subject for rule in given):
            msg = f"threshold {reason!r} is off and has a value too; leave one of them out"
            raise OptionError(msg)
        if len({rule.is_stability for rule in given}) > 1:
            msg = "threshold 'time' has a limit of shift or rate and one of a channel; leave one of them out"
            raise OptionError(msg)
    return rules


def _parse(text: str) -> Threshold:
    outer = _RULE.fullmatch(text)
    if outer is None or outer[1].lower() not in REASONS:
        msg = f"threshold {text!r} does not start with {', '.join(REASONS)} and a colon; write debris: FSC-A < 30000"
        raise OptionError(msg)
    reason, body = outer[1].lower(), outer[2]
    if body.lower() == "off":
        return Threshold(reason)
    inner = _LIMIT.fullmatch(body)
    try:
        value = float(inner[3].replace(",", "")) if inner else math.nan
    except ValueError:
        value = math.nan
    if inner is None or not math.isfinite(value):
        msg = (
            f"gate {text!r} is not of the form reason: channel > number; write {reason}: FSC-A < 30000 or {reason}: off"
        )
        raise OptionError(msg)
    rule = Threshold(reason, inner[1], inner[2], value)
    least = {"shift": 0.0, "rate": 1.0}.get(rule.subject, -math.inf) if rule.is_stability else -math.inf
    if rule.is_stability and (rule.sign == "<" or value <= least or (rule.subject == "shift" and value >= 0.5)):
        msg = f"threshold {text!r} is impossible; write time: shift > 0.1 (0 to 0.5) or time: rate > 2 (above 1)"
        raise OptionError(msg)
    return rule


def apply(
    rules: Sequence[Threshold], columns: Columns, n: int, names: Sequence[str], labels: Sequence[str], source: str
) -> Gate:
    """Drop the events that any of the rules of one reason names.

    Parameters
    ----------
    rules
        Rules on channels.
    columns
        Events x channels, compensated, linear.
    n
        Number of events.
    names, labels
        $PnN, and $PnS or marker, of the channels.
    source
        File, for messages.

    Raises
    ------
    OptionError
        A channel is not in the file, or the name fits several.
    """
    bad = np.zeros(n, dtype=bool)
    for rule in rules:
        if rule.subject:
            values = _subject(rule, columns, names, labels, source)
            bad |= values < rule.value if rule.sign == "<" else values > rule.value
    return Gate(bad, "; ".join(f"{rule} (given)" if rule.subject else "switched off" for rule in rules))


def _subject(rule: Threshold, columns: Columns, names: Sequence[str], labels: Sequence[str], source: str) -> np.ndarray:
    """The values to compare, float64."""
    found = _find(rule.subject, names, labels)
    if len(found) == 1:
        return columns[:, found[0]].astype(np.float64)
    if not found and "/" in rule.subject:
        # a name may hold a slash itself: each one may be the sign of division
        parts = rule.subject.split("/")
        for cut in range(1, len(parts)):
            pair = [_find("/".join(part).strip(), names, labels) for part in (parts[:cut], parts[cut:])]
            if all(len(one) == 1 for one in pair):
                top, bottom = (columns[:, one[0]].astype(np.float64) for one in pair)
                return np.divide(top, bottom, out=np.full(len(top), np.inf), where=bottom > 0)
    how = "fits several channels" if found else "is no channel"
    listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    msg = f"{source}: threshold '{rule.reason}: {rule}': {rule.subject!r} {how}; the file has {listed}"
    raise OptionError(msg)


def _find(name: str, names: Sequence[str], labels: Sequence[str]) -> list[int]:
    for known in (names, labels):
        for plain in (str, str.lower):
            found = [i for i, other in enumerate(known) if plain(other.strip()) == plain(name.strip())]
            if found:
                return found
    return []
