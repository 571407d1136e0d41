"""How to repeat a run: its options without folders, which may name people and machines."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from immport_cyto.study.config import ClusterOptions, ModelOptions, PoolOptions, PreprocessOptions, StudyConfig

_HEAD = """\
immport-cyto study run study.yaml --out results

# study.yaml, beside the files that it names; FCS_1, ... are the folders of the FCS files of each study
"""


def commands(config: StudyConfig) -> str:
    """The command that repeats a run, and its ``study.yaml`` behind a line of explanation."""
    return _HEAD + as_yaml(config)


def as_yaml(config: StudyConfig) -> str:
    """The configuration as text that `immport_cyto.study.read` takes, with every option that is not the default.

    Files stand by their names, the folders of FCS files as ``FCS_1``, ``FCS_2``, ... in the order of the studies, which
    are sorted by the names of their packages: a run does not depend on their order.
    """
    import yaml

    studies = sorted(config.studies, key=lambda study: [path.name for path in study.metadata])
    content: dict[str, Any] = {"title": config.title}
    if config.method != "standard":
        content["method"] = config.method
    content["studies"] = [
        {"metadata": _one([path.name for path in study.metadata]), "fcs": _one(_folders(number, len(study.fcs)))}
        for number, study in enumerate(studies, start=1)
    ]
    if config.corrections:
        content["panels"] = {"corrections": config.corrections.name}
    if isinstance(config.populations, Path):
        content["populations"] = config.populations.name
    elif config.populations is not None:
        content["populations"] = [dict(row) for row in config.populations]
    for name, options, default in (
        ("preprocess", config.preprocess, PreprocessOptions()),
        ("cluster", config.cluster, ClusterOptions()),
        ("model", config.model, ModelOptions()),
        ("pool", config.pool, PoolOptions()),
    ):
        changed = {
            field.name: _plain(getattr(options, field.name))
            for field in fields(options)
            if (name, field.name) != ("preprocess", "method")  # said at the top
            and getattr(options, field.name) != getattr(default, field.name)
        }
        if "compensation" in changed and config.preprocess.table:
            changed["compensation"] = config.preprocess.table.name
        if "rename" in changed:
            changed["rename"] = dict(config.preprocess.rename)
        if changed:
            content[name] = changed
    if config.truth:
        content["truth"] = config.truth.name
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    return text


def _folders(number: int, n: int) -> list[str]:
    return [f"FCS_{number}" if n == 1 else f"FCS_{number}_{part}" for part in range(1, n + 1)]


def _one(names: list[str]) -> str | list[str]:
    return names[0] if len(names) == 1 else names


def _plain(value: Any) -> Any:
    """A value as YAML writes it: lists for tuples, names for paths."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
