"""On what scale the events of a model are, by what their files say: the transform of each marker and the compensation.

Codes and centres mean something only on the scale of their training. `events preprocess` writes it into each file
(``ICYTO_P<n>TRANSFORM``, ``ICYTO_COMPENSATION``); a model keeps what its training files said, and every file that is
mapped is compared with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from immport_cyto.exceptions import PanelError

if TYPE_CHECKING:
    from immport_cyto.fcs import FCSFile

UNKNOWN = "the model is of an older format that does not keep its scale, so that of the files is not checked"
COMPENSATED, NOT_COMPENSATED = "compensated", "not compensated"


@dataclass(frozen=True)
class Scale:
    """What files say about their events.

    Attributes
    ----------
    transforms : dict of str to tuple of str
        Per marker the texts of `immport_cyto.events.transforms`, those of several files in ascending order; ``""``
        where a file does not say. Empty where nothing is known, as for events in memory.
    compensation : tuple of str
        ``"compensated"``, ``"not compensated"``, or ``""`` where a file does not say.
    """

    transforms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    compensation: tuple[str, ...] = ()

    @classmethod
    def of_file(cls, file: "FCSFile", channels: Mapping[str, int]) -> "Scale":
        """The scale that the keywords of an FCS file state for its markers (`channels`: 0-based)."""
        transforms: dict[str, tuple[str, ...]] = {
            marker: (file.keywords.get(f"ICYTO_P{index + 1}TRANSFORM", "").strip(),)
            for marker, index in channels.items()
        }
        stated = file.keywords.get("ICYTO_COMPENSATION", "").strip()
        return cls(transforms, ((NOT_COMPENSATED if stated == "none" else COMPENSATED) if stated else "",))

    @classmethod
    def joined(cls, scales: Sequence["Scale"], markers: Sequence[str]) -> "Scale":
        """All that several files say of some markers."""
        return cls(
            {marker: _distinct(one.transforms.get(marker, ("",)) for one in scales) for marker in markers},
            _distinct(one.compensation for one in scales),
        )

    @classmethod
    def of_meta(cls, content: Any, markers: Sequence[str]) -> "Scale":
        """The scale in the JSON of a model; a TypeError or ValueError where it is none."""
        transforms = {str(marker): _texts(texts) for marker, texts in dict(content["transforms"]).items()}
        if transforms and set(transforms) != set(markers):
            msg = "its transforms are of other markers"
            raise ValueError(msg)
        return cls(transforms, _texts(content["compensation"]))

    def meta(self) -> dict[str, Any]:
        """What `of_meta` reads."""
        return {
            "transforms": {marker: list(texts) for marker, texts in self.transforms.items()},
            "compensation": list(self.compensation),
        }

    def mixed(self) -> list[str]:
        """Remarks on files that were trained on together and are not on one scale."""
        found = [marker for marker, texts in self.transforms.items() if len(texts) > 1]
        notes = []
        if found:
            texts = ", ".join(text or "not stated" for text in self.transforms[found[0]])
            notes.append(
                f"the files are not on one scale: {some_markers(found)} {_is(found)} transformed in different ways "
                f"({texts}); preprocess the files of a panel alike ('events transforms' gives one table for all)"
            )
        if {COMPENSATED, NOT_COMPENSATED} <= set(self.compensation):
            notes.append("some files are compensated and others are not")
        return notes


UNSTATED = Scale()


def compare(model: Scale, file: Scale, name: str, *, any_scale: bool = False) -> list[str]:
    """Warnings on a file that is not on the scale of a model.

    Parameters
    ----------
    model, file
        The scales. A model that knows none takes every file.
    name
        The file, for messages.
    any_scale
        Take a file with another transform, with a warning. Another compensation is always a warning only, because
        files may have been compensated before without saying so.

    Raises
    ------
    PanelError
        A marker of the file has a transform that none of the training files had, or does not say which.
    """
    warnings = []
    others = [
        marker
        for marker, texts in model.transforms.items()
        if any(texts) and not set(file.transforms.get(marker, ("",))) <= set(texts)
    ]
    if others:
        own, texts = file.transforms.get(others[0], ("",)), model.transforms[others[0]]
        alike = [m for m in others if (file.transforms.get(m, ("",)), model.transforms[m]) == (own, texts)]
        on = f"the scale {own[0]}" if own[0] else "a scale that the file does not state"
        trained = " or ".join(text or "not stated" for text in texts)
        msg = f"{name}: {some_markers(alike)} {_is(alike)} on {on}, in the training of the model on {trained}"
        if not any_scale:
            msg += "; preprocess the file as the training files were, or allow any scale (--any-scale)"
            raise PanelError(msg)
        warnings.append(msg)
    known, stated = set(model.compensation), set(file.compensation)
    if known and "" not in known | stated and not stated <= known:
        warnings.append(f"{name}: is {file.compensation[0]}, the training of the model was {model.compensation[0]}")
    return warnings


def _distinct(texts: Any) -> tuple[str, ...]:
    return tuple(sorted({text for some in texts for text in some}))


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        msg = "a list of texts is expected"
        raise TypeError(msg)
    return tuple(values)


def listed(names: Sequence[str]) -> str:
    """At most four names, and how many more there are."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def some_markers(markers: Sequence[str]) -> str:
    """``marker A``, or ``markers A, B, C, D and 2 more``."""
    return f"{'marker' if len(markers) == 1 else 'markers'} {listed(markers)}"


def _is(markers: Sequence[str]) -> str:
    return "is" if len(markers) == 1 else "are"
