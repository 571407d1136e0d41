"""Model files as older versions of the formats had them."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from immport_cyto.cluster.flock.profile import levels


def as_version(source: Path, target: Path, version: int) -> Path:
    """Copy a model, as version `version` of its format would have written it."""
    with zipfile.ZipFile(source) as old:
        arrays = {name: np.load(io.BytesIO(old.read(name))) for name in old.namelist()}
    meta = json.loads(arrays["meta.npy"].tobytes()) | {"version": version}
    if "intervals.npy" in arrays and version < 3:  # FLOCK
        arrays["profile.npy"] = levels(arrays.pop("intervals.npy"))
        del meta["parameters"]["center"]
    if (version < 2) or meta["format"] == "immport-cyto/flowsom":
        del meta["scale"]
    arrays["meta.npy"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    with zipfile.ZipFile(target, "w") as new:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            new.writestr(name, buffer.getvalue())
    return target
