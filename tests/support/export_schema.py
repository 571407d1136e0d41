"""The JSON of `cluster export`, as programs in other languages may rely on it (JSON Schema 2020-12)."""

from typing import Any


def _many(items: dict[str, Any], n: int | None = None, least: int = 0) -> dict[str, Any]:
    size = {"minItems": least} if n is None else {"minItems": n, "maxItems": n}
    return {"type": "array", "items": items, **size}


def export_schema(nodes: int, markers: int, metaclusters: int) -> dict[str, Any]:
    """Schema of a model of this size: matrices have rows of one length, numbers count from 1 as R does."""
    text, number = {"type": "string"}, {"type": "number"}
    node, whole = {"type": "integer", "minimum": 1, "maximum": nodes}, {"type": "integer", "minimum": 0}
    properties = {
        "format": {"const": "immport-cyto/flowsom-export"},
        "format_version": {"const": 1},
        "study_accession": text,
        "panel_id": text,
        "markers": {**_many(text, markers), "uniqueItems": True},
        "grid": _many({"type": "integer", "minimum": 1}, 2),
        "parameters": {"type": "object"},
        "codes": _many(_many(number, markers), nodes),
        "scaled_codes": _many(_many(number, markers), nodes),
        "offset": _many(number, markers),
        "scale": _many({"type": "number", "exclusiveMinimum": 0}, markers),
        "metaclusters": _many({"type": "integer", "minimum": 1, "maximum": metaclusters}, nodes),
        "metacluster_names": _many(text, metaclusters),
        "node_counts": _many(whole, nodes),
        "spanning_tree": _many(_many(node, 2), nodes - 1),
        "mad_allowed": number,
        "distance_thresholds": _many({"type": ["number", "null"], "minimum": 0}, nodes),
        "transforms": {"type": "object", "additionalProperties": _many(text, least=1)},
        "compensation": _many({"enum": ["compensated", "not compensated", ""]}),
        "training": _many(
            {
                "type": "object",
                "properties": {"file_name": text, "n_events": whole},
                "required": ["file_name", "n_events"],
                "additionalProperties": False,
            },
            least=1,
        ),
    }
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
