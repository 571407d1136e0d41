"""A small clustered study for the verbs of ``cluster``: two groups of subjects that differ in one population."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner

from immport_cyto import cluster, tables
from immport_cyto.cli.cluster import group
from support.cluster_events import T_CELLS, blobs, preprocessed

PANEL = "flow-4m-x"


@dataclass(frozen=True)
class Study:
    """Files with known populations, the model trained on them, and the files mapped onto it."""

    folder: Path
    model: cluster.FlowSOM
    model_path: Path
    files: dict[str, Path]
    labelled: dict[str, Path]
    truth: dict[str, np.ndarray]
    samples_path: Path


def make_study(folder: Path, *, n_files: int = 8, seed: int = 0) -> Study:
    """Files a0.fcs, a1.fcs, ... of the group "case" (even numbers) and "control"; cases have more of population 3."""
    files, truth, rows = {}, {}, []
    for i in range(n_files):
        name = f"a{i}.fcs"
        case = i % 2 == 0
        sizes = [600 + 20 * i, 400, 250, 200 if case else 40]
        X, y = blobs(T_CELLS, sizes, seed=seed + i)
        files[name], truth[name] = preprocessed(folder / name, X, panel_id=PANEL), y
        rows.append(
            {
                "file_name": name,
                "sample_id": f"ES{i}",
                "study_accession": "SDY1",
                "subject_accession": f"SUB{i}",
                "arm_name": "case" if case else "control",
            }
        )
    tables.write(pd.DataFrame(rows), folder / "samples.tsv", tables.SAMPLES)
    model = cluster.flowsom_files(
        files, grid=(5, 5), n_metaclusters=6, study_accession="SDY1", panel_id=PANEL, seed=seed + 1
    )
    model.save(folder / "model.npz")
    labelled = {}
    for name, path in files.items():
        labelled[name] = folder / "labelled" / name
        cluster.map_file(model, path, labelled[name])
    return Study(folder, model, folder / "model.npz", files, labelled, truth, folder / "samples.tsv")


def run(*arguments, code=0):
    """Run a verb of ``cluster`` in-process; an error of ours comes out as itself."""
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result
