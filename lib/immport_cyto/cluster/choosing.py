"""The model that belongs to a file, where there are models of several studies and panels."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from immport_cyto.cluster.scale import listed
from immport_cyto.exceptions import ModelError


class Grouped(Protocol):
    """What a model says about where it comes from: FlowSOM and FLOCK do."""

    training: list[tuple[str, int]]
    study_accession: str
    panel_id: str


M = TypeVar("M", bound=Grouped)


def choose_model(models: Sequence[M], file_name: str, panel_id: str = "") -> M:
    """Model to map a file onto.

    A single model is taken as it is. Of several it is the one that was trained on the file, else the only one of the
    file's panel.

    Parameters
    ----------
    models
        At least one.
    file_name
        Name of the file, as in the training.
    panel_id
        Panel of the file (keyword ``ICYTO_PANEL``); may be empty.

    Raises
    ------
    ModelError
        None of the models, or more than one, could be meant.
    """
    if not models:
        msg = f"{file_name}: no model was given; train one with 'cluster flowsom' or 'cluster flock'"
        raise ModelError(msg)
    if len(models) == 1:
        return models[0]
    trained = [model for model in models if any(name == file_name for name, _ in model.training)]
    fitting = trained or [model for model in models if panel_id and model.panel_id == panel_id]
    if len(fitting) == 1:
        return fitting[0]
    known = listed(sorted({_title(model) for model in models}))
    if fitting:
        why = "was trained on by" if trained else f"has the panel {panel_id} of"
        msg = f"{file_name}: {why} {len(fitting)} of the models ({known}); give only the one that is meant"
    else:
        panel = f"panel {panel_id}" if panel_id else "no panel in its keywords"
        msg = f"{file_name}: no model was trained on this file or its panel ({panel}; models: {known}); give its model"
    raise ModelError(msg)


def _title(model: Grouped) -> str:
    return " ".join(word for word in (model.study_accession, model.panel_id) if word) or "without a group"
