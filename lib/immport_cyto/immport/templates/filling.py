"""Upload templates filled from the tables of this project: populations, samples, panels, reagents.

What the tables do not tell is left empty; :func:`set_values` sets it, and validation names what is still missing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from immport_cyto.exceptions import DefinitionError, OptionError, TableError
from immport_cyto.immport.templates.definitions import template, vocabulary
from immport_cyto.immport.templates.headers import key
from immport_cyto.immport.templates.writing import Filled
from immport_cyto.immport.values import technique

if TYPE_CHECKING:
    import pandas as pd

Statistic = Literal["percentage", "count"]
_SUFFIX = {"Flow cytometry": "flow", "CyTOF": "cytof"}
_DERIVED = {"Flow cytometry": "fcm_derived_data", "CyTOF": "cytof_derived_data"}
_SAMPLES = {"Flow cytometry": "flow_cytometry", "CyTOF": "cytof"}
_REAGENTS = {"Flow cytometry": "flow_cytometry_reagents", "CyTOF": "cytof_reagents"}
_RESULT_FILE = {"Flow cytometry": ".Fcs Result File", "CyTOF": "Result File Name"}
_TERM = {"Flow cytometry": "Flow Cytometry", "CyTOF": "CyTOF"}
_MAX_DEFINITION = 150
_STATISTIC = "Population Statistic (count, percentile, etc)"


def derived_data(
    populations: "pd.DataFrame",
    workspace_file: str,
    *,
    samples: "pd.DataFrame | None" = None,
    statistic: Statistic = "percentage",
    schema: str = "",
) -> list[Filled]:
    """``FCM_Derived_data`` and ``CyTOF_Derived_data`` from ``populations.tsv``.

    Parameters
    ----------
    populations
        The table ``populations.tsv``; a row becomes a row.
    workspace_file
        Name of the file of the package in which the analysis is described, such as the report.
    samples
        ``samples.tsv``, for the technique of each file; else the panel tells it (``flow-...``, ``cytof-...``).
    statistic
        ``percentage`` of the parent (or the amount, where published results give one), or ``count`` of cells.

    Returns
    -------
    list of Filled
        One per technique. Rows without a definition, with one of more than 150 characters, or without a value are
        left out and counted in ``notes``.

    Raises
    ------
    TableError
        No row is left, or a technique is unknown.
    """
    of_file = _techniques(samples)
    names = {row["definition"]: row["population"] for row in populations.to_dict("records") if row["definition"]}
    rows: dict[str, list[dict[str, str]]] = {}
    left: dict[str, int] = {}
    for row in populations.to_dict("records"):
        reason, definition = "", ""
        try:
            definition = gating_definition(str(row["definition"]))
        except DefinitionError:
            reason = "a definition that cannot be read"
        value, unit = _statistic(row, statistic)
        if not row["definition"]:
            reason = "no definition"
        elif len(definition) > _MAX_DEFINITION:
            reason = f"a definition of more than {_MAX_DEFINITION} characters"
        elif not value:
            reason = "no events in the parent, or no value"
        if reason:
            left[reason] = left.get(reason, 0) + 1
            continue
        kind = of_file.get(row["file_name"]) or technique(str(row["panel_id"]).replace("flow-", "flow cytometry "))
        if kind not in _DERIVED:
            msg = f"populations.tsv: the technique of {row['file_name']!r} is unknown; give samples.tsv, too"
            raise TableError(msg)
        rows.setdefault(kind, []).append({
            "Expsample ID": row["sample_id"],
            "Population Name Reported": row["population"],
            "Gating Definition Reported": definition,
            "Parent Population Reported": _parent(str(row["parent"] or ""), names),
            _STATISTIC: value,
            "Population Stat Unit Reported": unit,
            "Workspace File": workspace_file,
            "Comments": _comment(row),
        })  # fmt: skip
    notes = [f"populations.tsv: {count} rows left out: {reason}" for reason, count in sorted(left.items())]
    if not rows:
        msg = "; ".join(notes) or "populations.tsv: no rows"
        raise TableError(msg)
    found = [_filled(_DERIVED[kind], rows[kind], schema) for kind in sorted(rows)]
    found[0].notes += notes
    return found


def gating_definition(text: str) -> str:
    """A definition in the form of ImmPort's templates.

    >>> gating_definition("CD3+ CD4+ CD25++ CD127lo")
    'CD3+, CD4+, CD25++, CD127+-'

    Raises
    ------
    DefinitionError
        It cannot be read.
    """
    from immport_cyto.panel import parse_gates

    return parse_gates(text).hipc() if text else ""


def _statistic(row: Mapping[str, Any], statistic: Statistic) -> tuple[str, str]:
    """Value and unit; an amount, such as cells per microlitre, where there is neither share nor count of events."""
    if statistic == "count":
        return ("", "") if _is_unknown(row["n_events"]) else (str(int(row["n_events"])), "cells")
    if not _is_unknown(row["fraction"]):
        return format(round(100 * float(row["fraction"]), 6), ".10g"), "percentage"
    if _is_unknown(row.get("value")) or not row.get("unit"):
        return "", ""
    unit = str(row["unit"])
    return format(float(row["value"]), ".10g"), vocabulary("lk_cell_pop_statistic_unit").find(unit) or unit


def _is_unknown(value: Any) -> bool:
    return value is None or str(value) in ("", "<NA>", "nan")


def _comment(row: Mapping[str, Any]) -> str:
    found = f"found by {row['method']}"
    if _is_unknown(row["n_events"]) or _is_unknown(row["n_parent"]):
        return found
    return f"{row['n_events']} of {row['n_parent']} events; {found}"


def _parent(parent: str, names: Mapping[str, str]) -> str:
    if not parent:
        return ""
    if parent in names:
        return names[parent]
    try:
        return gating_definition(parent)
    except DefinitionError:
        return parent


def _techniques(samples: "pd.DataFrame | None") -> dict[str, str]:
    if samples is None:
        return {}
    found = zip(samples["file_name"], samples["technique"], strict=True)
    return {str(name): technique(kind) for name, kind in found}


def experiment_samples(
    samples: "pd.DataFrame",
    *,
    panel: "pd.DataFrame | None" = None,
    schema: str = "",
) -> list[Filled]:
    """``experimentSamples.Flow_Cytometry`` and ``experimentSamples.CYTOF`` from ``samples.tsv``.

    Parameters
    ----------
    samples
        The table ``samples.tsv``; a row becomes a row.
    panel
        ``panel.tsv``: the reagents of each file, by the IDs that :func:`reagents` gives them.

    Raises
    ------
    TableError
        A technique is unknown.
    """
    used: dict[str, list[str]] = {}
    for file_name, identifier in _reagents_of_panel(panel):
        used.setdefault(file_name, [])
        if identifier not in used[file_name]:
            used[file_name].append(identifier)
    rows: dict[str, list[dict[str, str]]] = {}
    for row in samples.to_dict("records"):
        kind = technique(row["technique"])
        if kind not in _SAMPLES:
            msg = f"samples.tsv: the technique of {row['file_name']!r} is unknown; fill the column 'technique'"
            raise TableError(msg)
        sample_type = vocabulary("lk_sample_type").find(str(row["biosample_type"])) or row["biosample_type"]
        days = row["study_time_days"]
        has_days = days is not None and days == days
        rows.setdefault(kind, []).append({
            "Study ID": row["study_accession"],
            "Expsample ID": row["sample_id"],
            "Reagent ID(s)": ";".join(used.get(str(row["file_name"]), [])),
            # published results have the accession of their expsample where files have their name
            _RESULT_FILE[kind]: "" if row["file_name"] == row["sample_id"] else row["file_name"],
            "Biosample ID": row["biosample_accession"],
            "Subject ID": row["subject_accession"],
            "Planned Visit ID": row["visit_accession"],
            "Type": sample_type,
            "Study Time Collected": format(float(days), ".10g") if has_days else "",
            "Study Time Collected Unit": "Days" if has_days else "",
            "Experiment ID": row["experiment_accession"],
            "Measurement Technique": _TERM[kind],
        })  # fmt: skip
    return [_filled(_SAMPLES[kind], rows[kind], schema) for kind in sorted(rows)]


def reagents(
    panel: "pd.DataFrame | None" = None,
    known: "pd.DataFrame | None" = None,
    *,
    samples: "pd.DataFrame | None" = None,
    schema: str = "",
) -> list[Filled]:
    """``reagents.Flow_Cytometry`` and ``reagents.CyTOF``: what stained the markers.

    Parameters
    ----------
    panel
        ``panel.tsv``: one reagent per antigen and reporter.
    known
        The table of ``immport reagents``: clone, manufacturer and catalogue number of an antigen and reporter. Without
        a panel, its reagents themselves.
    samples
        ``samples.tsv``, for the technique; else the panel tells it, and of `known` the reporter.

    Raises
    ------
    OptionError
        Neither table is given.
    TableError
        Nothing in the tables is a reagent.
    """
    rows: dict[str, dict[str, dict[str, str]]] = {}
    details = {} if known is None else {_pair(row["target"], row["reporter"]): row for row in known.to_dict("records")}
    if panel is not None:
        of_file = _techniques(samples)
        for row in _marker_rows(panel):
            text = str(row["panel_id"]).replace("flow-", "flow cytometry ")
            kind = of_file.get(row["file_name"]) or technique(text) or "Flow cytometry"
            detail = details.get(_pair(row["antigen"], row["reporter"]), {})
            name = reagent_id(str(row["antigen"]), str(row["reporter"]))
            rows.setdefault(kind, {}).setdefault(name, _reagent(name, row["antigen"], row["reporter"], detail))
    elif known is not None:
        for detail in known.to_dict("records"):
            kind = technique(str(detail.get("type") or "")) or "Flow cytometry"
            name = str(detail["reagent_accession"])
            target = detail["target"] or detail.get("analyte_reported") or ""
            rows.setdefault(kind, {}).setdefault(name, _reagent(name, target, detail["reporter"], detail))
    else:
        msg = "reagents need panel.tsv or the table of 'immport reagents'; give one of them"
        raise OptionError(msg)
    if not rows:
        msg = "no channel of the panel measures a marker, so there are no reagents; check panel.tsv"
        raise TableError(msg)
    return [_filled(_REAGENTS[kind], list(rows[kind].values()), schema) for kind in sorted(rows)]


def reagent_id(antigen: str, reporter: str) -> str:
    """The ID that a reagent of a panel gets: its antigen and reporter.

    >>> reagent_id("HLA-DR", "PerCP-Cy5.5")
    'HLA-DR PerCP-Cy5.5'
    """
    return f"{antigen} {reporter}".strip()


def _pair(antigen: object, reporter: object) -> tuple[str, str]:
    return key(str(antigen or "")), key(str(reporter or ""))


def _marker_rows(panel: "pd.DataFrame") -> Iterator[dict[str, Any]]:
    for row in panel.to_dict("records"):
        if row["antigen"] and row["role"] not in ("scatter", "time", "empty", "bead", "event", "barcode"):
            yield {str(name): value for name, value in row.items()}


def _reagents_of_panel(panel: "pd.DataFrame | None") -> Iterator[tuple[str, str]]:
    for row in _marker_rows(panel) if panel is not None else ():
        yield str(row["file_name"]), reagent_id(str(row["antigen"]), str(row["reporter"]))


def _reagent(name: str, target: Any, reporter: Any, detail: Mapping[Any, Any]) -> dict[str, str]:
    return {
        "User Defined ID": name,
        "Analyte Reported": str(target or ""),
        "Reporter Name": str(reporter or ""),
        "Clone Name": str(detail.get("clone") or ""),
        "Manufacturer": str(detail.get("manufacturer") or ""),
        "Catalog Number": str(detail.get("catalog_number") or ""),
    }


def _filled(name: str, rows: Sequence[Mapping[str, str]], schema: str) -> Filled:
    import pandas as pd

    found = template(name, schema)
    columns = [column.name for column in found.blocks[0].columns]
    frame = pd.DataFrame({c: [row.get(c, "") or "" for row in rows] for c in columns}, dtype=object)
    return Filled(name, {"": frame}, schema or found.schema)


def set_values(filled: Iterable[Filled], values: Mapping[str, str]) -> None:
    """Set the empty cells of columns to a value, in the templates that have the column.

    Raises
    ------
    OptionError
        None of the templates has it.
    """
    given = list(filled)
    for name, value in values.items():
        used = False
        for one in given:
            for column in one.frame.columns:
                if key(str(column)) == key(name):
                    used = True
                    one.frame[column] = [text or value for text in one.frame[column]]
        if not used:
            files = ", ".join(one.template.file for one in given) or "a template that is filled"
            msg = f"{name!r} is not a column of {files}; see 'immport template --columns NAME'"
            raise OptionError(msg)
