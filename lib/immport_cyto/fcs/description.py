"""What a table of events does not hold: channels and keywords, as JSON beside or inside the table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from immport_cyto.exceptions import InputError
from immport_cyto.fcs.file import FCSFile
from immport_cyto.fcs.model import Channel

FORMAT = "immport-cyto/fcs-description"
FORMAT_VERSION = 1
SCALED, RAW = "scaled", "raw"


@dataclass(frozen=True)
class Description:
    """Channels and keywords of the events in a table.

    Attributes
    ----------
    names
        Column of each channel, unique.
    channels
        $PnN, $PnS and range of each column.
    keywords
        All keywords of the file.
    values
        ``"scaled"`` or ``"raw"``.
    """

    names: tuple[str, ...]
    channels: tuple[Channel, ...]
    keywords: Mapping[str, str]
    values: str = SCALED

    @classmethod
    def of(cls, file: FCSFile, indices: Sequence[int], values: str = SCALED) -> "Description":
        """Describe some channels of a file."""
        chosen = [file.channels[index] for index in indices]
        return cls(tuple(unique([c.pnn for c in chosen])), tuple(chosen), file.keywords, values)

    @classmethod
    def plain(cls, names: Sequence[str], stains: Sequence[str] = ()) -> "Description":
        """Describe columns of which only the names are known."""
        stains = stains or [""] * len(names)
        pairs = zip(names, stains, strict=True)
        return cls(tuple(names), tuple(Channel(n, *pair) for n, pair in enumerate(pairs, 1)), {})

    def to_json(self) -> str:
        """As text, keys in order."""
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "values": self.values,
            "channels": [
                {
                    "column": name,
                    "pnn": c.pnn,
                    "pns": c.pns,
                    "range": c.scaled_range if self.values == SCALED else c.range,
                }
                for name, c in zip(self.names, self.channels, strict=True)
            ],
            "keywords": dict(self.keywords),
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, source: Path | str) -> "Description":
        """Read what `to_json` gave.

        Raises
        ------
        InputError
            The text is something else.
        """
        try:
            content = json.loads(text)
            known = content["format"] == FORMAT and content["format_version"] == FORMAT_VERSION
            names = tuple(str(entry["column"]) for entry in content["channels"])
            channels = tuple(
                Channel(n, str(entry["pnn"]), str(entry["pns"]), range=entry["range"])
                for n, entry in enumerate(content["channels"], 1)
            )
            keywords = {str(key): str(value) for key, value in content["keywords"].items()}
            values = str(content["values"])
        except (ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known:
            msg = f"{source}: is no description of channels and keywords as fcs convert writes it; leave it out"
            raise InputError(msg)
        return cls(names, channels, keywords, values)


def unique(names: Sequence[str]) -> list[str]:
    """Names made unique by a number, as columns must be: A, A_2, A_3."""
    seen: dict[str, None] = {}
    for name in names:
        chosen, number = name, 2
        while chosen in seen:
            chosen = f"{name}_{number}"
            number += 1
        seen[chosen] = None
    return list(seen)
