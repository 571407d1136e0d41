"""ImmPort packages of any release, and the link from FCS files to subjects.

``open_store``
    A store of packages, in a file or in memory: ``load``, ``link``, ``results``, ``search``, ``reagents``.
``find_sources``
    The Tab packages and Subject_2 tables at a path.
``Results``, ``Query``
    What ``Store.results`` gives and what ``Store.search`` takes.
``sample_sheet``, ``galaxy_payload``, ``catalyst_metadata``, ``read_sheet``, ``link_sheet``
    Samples as Galaxy's sample sheets and as CATALYST have them; samples of a sample sheet.
``connect``, ``save_query``, ``fetch_manifest``, ``download``
    From ImmPort's server, with credentials of the environment.
``validate``
    All findings on an upload package; :mod:`immport_cyto.immport.templates` writes, reads and fills its templates.
``age_years``, ``study_days``, ``technique``
    Values of ImmPort in the units and words of ``samples.tsv``.
"""

from typing import TYPE_CHECKING, Any

from immport_cyto._lazy import lazy

if TYPE_CHECKING:
    from immport_cyto.immport.domain_tables import DOMAINS
    from immport_cyto.immport.downloading import (
        DOWNLOADS,
        Entry,
        download,
        fetch_manifest,
        join_entries,
        read_manifest,
        save_query,
        select_entries,
    )
    from immport_cyto.immport.loading import LoadReport, LoadStatus
    from immport_cyto.immport.network import Client, connect
    from immport_cyto.immport.package import Limits, find_sources
    from immport_cyto.immport.reagents import REAGENTS
    from immport_cyto.immport.results import Results
    from immport_cyto.immport.searching import LEVELS, Query
    from immport_cyto.immport.sheets import (
        CATALYST_METADATA,
        SAMPLE_SHEET,
        catalyst_metadata,
        galaxy_payload,
        link_sheet,
        read_sheet,
        sample_sheet,
    )
    from immport_cyto.immport.store import FILE_WITHOUT_METADATA, ORPHANS, Store, open_store
    from immport_cyto.immport.validating import validate
    from immport_cyto.immport.values import age_years, is_topcoded, study_days, technique

_HOME = {
    "DOMAINS": "domain_tables",
    "Client": "network",
    "connect": "network",
    "DOWNLOADS": "downloading",
    "Entry": "downloading",
    "select_entries": "downloading",
    "download": "downloading",
    "fetch_manifest": "downloading",
    "join_entries": "downloading",
    "read_manifest": "downloading",
    "save_query": "downloading",
    "CATALYST_METADATA": "sheets",
    "SAMPLE_SHEET": "sheets",
    "catalyst_metadata": "sheets",
    "galaxy_payload": "sheets",
    "link_sheet": "sheets",
    "read_sheet": "sheets",
    "sample_sheet": "sheets",
    "FILE_WITHOUT_METADATA": "store",
    "LEVELS": "searching",
    "Limits": "package",
    "Query": "searching",
    "REAGENTS": "reagents",
    "Results": "results",
    "find_sources": "package",
    "LoadReport": "loading",
    "LoadStatus": "loading",
    "ORPHANS": "store",
    "Store": "store",
    "open_store": "store",
    "age_years": "values",
    "is_topcoded": "values",
    "study_days": "values",
    "technique": "values",
    "validate": "validating",
}

__all__ = [
    "CATALYST_METADATA",
    "DOMAINS",
    "DOWNLOADS",
    "FILE_WITHOUT_METADATA",
    "LEVELS",
    "ORPHANS",
    "REAGENTS",
    "SAMPLE_SHEET",
    "Client",
    "Entry",
    "Limits",
    "LoadReport",
    "LoadStatus",
    "Query",
    "Results",
    "Store",
    "age_years",
    "catalyst_metadata",
    "connect",
    "download",
    "fetch_manifest",
    "find_sources",
    "galaxy_payload",
    "is_topcoded",
    "join_entries",
    "link_sheet",
    "open_store",
    "read_manifest",
    "read_sheet",
    "sample_sheet",
    "save_query",
    "select_entries",
    "study_days",
    "technique",
    "validate",
]


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
