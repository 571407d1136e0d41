"""ImmPort's upload templates: definitions, reading, writing, validation and the privacy check.

``validate``
    All findings on a package of templates, as a table.
``read``, ``write``
    Templates to and from pandas frames, in the text form and in the JSON form.
``derived_data``, ``experiment_samples``, ``reagents``, ``set_values``
    Templates filled from the tables of this project.
``check_privacy``, ``check_tables``, ``summarize``
    What in a package, or in tables to be shared, points to a person or a day.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.immport.templates.definitions import names, template, versions, vocabulary
    from immport_cyto.immport.templates.filling import derived_data, experiment_samples, reagents, set_values
    from immport_cyto.immport.templates.findings import FINDINGS, Finding
    from immport_cyto.immport.templates.sharing import PrivacyReport, check_privacy, check_tables, summarize
    from immport_cyto.immport.templates.validation import Report, validate
    from immport_cyto.immport.templates.writing import Filled, empty, read, write

_HOME = {
    "names": "definitions",
    "template": "definitions",
    "versions": "definitions",
    "vocabulary": "definitions",
    "derived_data": "filling",
    "experiment_samples": "filling",
    "reagents": "filling",
    "set_values": "filling",
    "FINDINGS": "findings",
    "Finding": "findings",
    "PrivacyReport": "sharing",
    "check_privacy": "sharing",
    "check_tables": "sharing",
    "summarize": "sharing",
    "Report": "validation",
    "validate": "validation",
    "Filled": "writing",
    "empty": "writing",
    "read": "writing",
    "write": "writing",
}

__all__ = [
    "FINDINGS",
    "Filled",
    "Finding",
    "PrivacyReport",
    "Report",
    "check_privacy",
    "check_tables",
    "derived_data",
    "empty",
    "experiment_samples",
    "names",
    "read",
    "reagents",
    "set_values",
    "summarize",
    "template",
    "validate",
    "versions",
    "vocabulary",
    "write",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
