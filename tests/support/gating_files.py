"""Parts of Gating-ML 2.0 files."""

from collections.abc import Sequence

HEAD = (
    '<?xml version="1.0"?><gating:Gating-ML xmlns:gating="http://www.isac-net.org/std/Gating-ML/v2.0/gating" '
    'xmlns:transforms="http://www.isac-net.org/std/Gating-ML/v2.0/transformations" '
    'xmlns:data-type="http://www.isac-net.org/std/Gating-ML/v2.0/datatypes">'
)
TAIL = "</gating:Gating-ML>"


def axis(name: str, compensation: str = "uncompensated", scale: str = "", **limits: float) -> str:
    more = "".join(f' gating:{key}="{value}"' for key, value in limits.items())
    more += f' gating:transformation-ref="{scale}"' if scale else ""
    channel = f'<data-type:fcs-dimension data-type:name="{name}"/>'
    return f'<gating:dimension gating:compensation-ref="{compensation}"{more}>{channel}</gating:dimension>'


def rectangle(name: str, *axes: str, parent: str = "") -> str:
    return f"<gating:RectangleGate {_named(name, parent)}>{''.join(axes)}</gating:RectangleGate>"


def boolean(name: str, kind: str, *others: str) -> str:
    members = "".join(f'<gating:gateReference gating:ref="{other}"/>' for other in others)
    return f'<gating:BooleanGate gating:id="{name}"><gating:{kind}>{members}</gating:{kind}></gating:BooleanGate>'


def polygon(name: str, axes: Sequence[str], corners: Sequence[Sequence[float]], parent: str = "") -> str:
    points = "".join(f"<gating:vertex>{_coordinates(corner)}</gating:vertex>" for corner in corners)
    return f"<gating:PolygonGate {_named(name, parent)}>{''.join(axes)}{points}</gating:PolygonGate>"


def ellipsoid(
    name: str, axes: Sequence[str], mean: Sequence[float], covariance: Sequence[Sequence[float]], square: float
) -> str:
    rows = "".join(
        f"<gating:row>{''.join(f'<gating:entry data-type:value={chr(34)}{v}{chr(34)}/>' for v in row)}</gating:row>"
        for row in covariance
    )
    return (
        f"<gating:EllipsoidGate {_named(name)}>{''.join(axes)}<gating:mean>{_coordinates(mean)}</gating:mean>"
        f"<gating:covarianceMatrix>{rows}</gating:covarianceMatrix>"
        f'<gating:distanceSquare data-type:value="{square}"/></gating:EllipsoidGate>'
    )


def transformation(name: str, body: str) -> str:
    return f'<transforms:transformation transforms:id="{name}">{body}</transforms:transformation>'


def _named(name: str, parent: str = "") -> str:
    return f'gating:id="{name}"' + (f' gating:parent_id="{parent}"' if parent else "")


def _coordinates(values: Sequence[float]) -> str:
    return "".join(f'<gating:coordinate data-type:value="{value}"/>' for value in values)
