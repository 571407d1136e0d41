"""What goes in: the files of each study, linked to their samples, and their panels under one naming."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from immport_cyto import tables
from immport_cyto.exceptions import AnalysisError, InputError, LinkError, PanelError, TableError
from immport_cyto.files import check_name, fcs_below
from immport_cyto.study.config import StudyConfig
from immport_cyto.study.state import RunState

if TYPE_CHECKING:
    import pandas as pd


def definitions(config: StudyConfig) -> "pd.DataFrame":
    """Populations to search for: the table or list of the configuration, else the standard populations."""
    import pandas as pd

    from immport_cyto import population

    given = config.populations
    if given is None and config.method == "metacyto":  # which finds the populations itself
        return tables.concat([], tables.DEFINITIONS)
    if given is None:
        frame = population.standard_populations()
    elif isinstance(given, Path):
        frame = tables.read(given, tables.DEFINITIONS)
    else:
        frame = tables.conform(pd.DataFrame(list(given)).fillna(""), tables.DEFINITIONS)
    if config.method == "metacyto":
        from immport_cyto import metacyto

        metacyto.whole_labels(frame)
        return frame
    population.check(frame)
    return tables.conform(frame, tables.DEFINITIONS)


def _find_fcs(config: StudyConfig) -> tuple[dict[str, Path], dict[str, set[int]]]:
    """All FCS files by name, and the numbers of the studies whose folders hold each; studies may share a folder."""
    files: dict[str, Path] = {}
    owners: dict[str, set[int]] = {}
    for number, study in enumerate(config.studies, start=1):
        for place in study.fcs:
            found = fcs_below(place) if place.is_dir() else [place]
            if not found:
                msg = f"{place}: no FCS file in this folder; correct studies[{number}].fcs"
                raise InputError(msg)
            for path in found:
                check_name(path)
                if path.name in files and files[path.name].resolve() != path.resolve():
                    msg = (
                        f"two FCS files are named {path.name!r} ({files[path.name]} and {path}); "
                        "rename one, results are kept by file name"
                    )
                    raise LinkError(msg)
                files[path.name] = path
                owners.setdefault(path.name, set()).add(number)
    return dict(sorted(files.items())), owners


def link(state: RunState, *, allow_orphans: bool) -> tuple[dict[str, Path], "pd.DataFrame"]:
    """Find the FCS files and link each to its sample; give the files by name and the samples table."""
    from immport_cyto import immport
    from immport_cyto.immport import staining

    files, owners = _find_fcs(state.config)
    state.paths.update(files)
    parts, orphans = [], []
    for number, study in enumerate(state.config.studies, start=1):
        own = {name: path for name, path in files.items() if number in owners[name]}
        with immport.open_store(":memory:") as store:
            reports = store.load(list(study.metadata))
            parts.append(store.link(own))
            orphans.append(store.orphans)
            state.reagents.append(staining.file_reagents(store.connection))
            for text in [*(finding for report in reports for finding in report.findings), *store.findings]:
                state.warn(text)
    samples = tables.concat(parts, tables.SAMPLES)
    linked = set(samples["file_name"])
    for frame in orphans:
        for row in frame.itertuples():
            unknown = row.kind == "file without metadata"
            if unknown and row.file_name in linked:  # by the metadata of another study that shares the folder
                continue
            text = f"{row.file_name}: {row.kind} ({row.reason})"
            if unknown and not allow_orphans:
                msg = (
                    f"{row.file_name}: this FCS file has no match in the metadata ({row.reason}); "
                    "remove it, add its metadata, or add --allow-orphans to leave it out"
                )
                raise LinkError(msg)
            state.warn(text)
    if not len(samples):
        msg = "no FCS file has a match in the metadata; check that the metadata and the FCS files are of the same study"
        raise LinkError(msg)
    twice = samples[samples.duplicated("file_name", keep=False)]
    if len(twice):
        row = twice.iloc[0]
        named = " and ".join(sorted(set(twice.loc[twice["file_name"] == row["file_name"], "study_accession"])))
        msg = f"{row['file_name']}: linked to {named}; rename the file of one study, results are kept by file name"
        raise LinkError(msg)
    return files, samples.sort_values("file_name", ignore_index=True)


def harmonise(state: RunState, files: Mapping[str, Path], studies: Mapping[str, str]) -> Any:
    """Name the channels of all files; report what was guessed, stop where nothing could be pooled.

    The analytes and reagents of the packages help, where a package has them.
    """
    import pandas as pd

    from immport_cyto import panel

    corrections = panel.read_corrections(state.config.corrections) if state.config.corrections else None
    state.say("harmonising panels")
    packages = [path for study in state.config.studies for path in study.metadata]
    try:
        analytes = panel.read_analytes(packages)
    except TableError:  # Subject_2 tables, and packages before release DR20, have no analytes
        analytes = None
    reagents = pd.concat(state.reagents, ignore_index=True).drop_duplicates() if state.reagents else None
    found = panel.harmonize(
        dict(files), corrections=corrections, studies=dict(studies), analytes=analytes, reagents=reagents
    )
    for text in found.findings:
        state.warn(text)
    for row in found.failures.itertuples():
        state.fail(row.file_name, studies.get(row.file_name, ""), "panel harmonize", row.message)
    if not len(found.panel):
        msg = "no FCS file could be read; see failures in run.log and check the files"
        raise AnalysisError(msg)
    by_study = found.panels.groupby("study_accession")["markers"].agg(lambda cells: set(";".join(cells).split(";")))
    if len(by_study) > 1:
        shared = {m for i, a in enumerate(by_study) for j, b in enumerate(by_study) if i < j for m in a & b} - {""}
        if not shared:
            msg = (
                f"the studies {', '.join(by_study.index)} have no marker in common, so nothing can be pooled; "
                "name the channels in a corrections table (panels.corrections) or run the studies one by one"
            )
            raise PanelError(msg)
    state.markers = tuple(sorted({name for cell in found.panels["markers"] for name in cell.split(";")} - {""}))
    return found
