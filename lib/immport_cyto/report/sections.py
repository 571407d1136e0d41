"""What the report says, section by section, from the tables that are there."""

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from immport_cyto.report import amounts, over_samples, over_studies
from immport_cyto.report.cutoffs import cutoffs
from immport_cyto.report.densities import densities
from immport_cyto.report.section import Drawing, Section, by_method, named
from immport_cyto.report.wording import sentence, words

if TYPE_CHECKING:
    import pandas as pd

_FORESTS_OPEN, _FORESTS_MOST = 6, 24
_VOLCANO_FROM = 10  # populations


def sections(
    frames: Mapping[str, "pd.DataFrame"], warnings: list[str], provenance: Mapping[str, Any], batch: str = "batch"
) -> list[Section]:
    """All sections that have something to show, in order; `batch` is the column of the samples that names batches."""
    built = [
        _summary(frames, warnings),
        _pooled(frames),
        *over_studies.sections(frames),
        _studies(frames),
        _panels(frames),
        _quality(frames),
        densities(frames),
        cutoffs(frames),
        _clusters(frames),
        over_samples.drift(frames),
        over_samples.annotations(frames),
        amounts.populations(frames),
        over_samples.batches(frames, batch),
        over_samples.reference(frames),
        _effects(frames),
        _warnings(frames, warnings),
        _provenance(provenance),
    ]
    return [section for section in built if section is not None]


def _summary(frames: Mapping[str, "pd.DataFrame"], warnings: list[str]) -> Section:
    tiles: list[tuple[str, str]] = []
    samples, qc, populations = frames.get("samples"), frames.get("qc"), frames.get("populations")
    if samples is not None:
        tiles += [
            ("studies", str(samples["study_accession"].nunique())),
            ("subjects", str(samples.loc[samples["subject_accession"] != "", "subject_accession"].nunique())),
            ("files", str(len(samples))),
        ]
    if "panels" in frames:
        tiles.append(("panels", str(frames["panels"]["panel_id"].nunique())))
    if qc is not None:
        share = qc["n_events_out"].sum() / max(int(qc["n_events_in"].sum()), 1)
        tiles.append((f"events kept ({share:.0%})", f"{int(qc['n_events_out'].sum()):,}"))
    if populations is not None:
        tiles.append(("populations", str(populations["population"].nunique())))
    failures = frames.get("failures")
    tiles.append(("files not used", str(0 if failures is None else failures["file_name"].nunique())))
    tiles.append(("warnings", str(len(warnings))))
    return Section("summary", "Summary", tiles=tiles, notes=_headline(frames))


def _headline(frames: Mapping[str, "pd.DataFrame"]) -> list[str]:
    """The answer in sentences: pooled effects whose q value is below 0.05."""
    meta = frames.get("meta")
    if meta is None:
        return []
    pooled = meta[(meta["omitted"] == "") & (meta["k"] >= 2) & meta["estimate"].notna()]
    if not len(pooled):
        return ["No population could be pooled over two or more studies."]
    sentences = []
    for method, term, rows in by_method(pooled):
        found = rows[rows["q_value"] < 0.05].sort_values("estimate")
        falls = [str(name) for name in found.loc[found["estimate"] < 0, "population"]]
        rises = [str(name) for name in found.loc[found["estimate"] > 0, "population"]]
        what = f"{sentence(named(method))}, {words(term)}: "
        parts = []
        if rises:
            parts.append(f"higher: {', '.join(rises)}")
        if falls:
            parts.append(f"lower: {', '.join(falls)}")
        text = "; ".join(parts) if parts else "no effect with q < 0.05"
        pooled_over = "1 population" if len(rows) == 1 else f"{len(rows)} populations"
        sentences.append(f"{what}{text} ({pooled_over} pooled).")
    return sentences


def _pooled(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    import pandas as pd

    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    meta, effects = frames.get("meta"), frames.get("effects")
    if meta is None:
        return None
    section = Section(
        "pooled",
        "Pooled effects",
        intro="One random-effects estimate per population and term over all studies that measured it. "
        "The prediction interval says where the effect of a new study is expected.",
    )
    estimates = meta[(meta["omitted"] == "") & meta["estimate"].notna()]
    for method, term, rows in by_method(estimates):
        several = rows[rows["k"] >= 2]
        if len(several) < len(rows):
            kept, single = (several, len(rows) - len(several)) if len(several) else (rows, 0)
            rows = kept
            if single:
                name = named(method)
                what = "1 population" if single == 1 else f"{single} populations"
                section.notes.append(f"{sentence(name)}, {words(term)}: {what} of one study only: see the tables.")
        truth = _truth(frames, term) if method == "search" else {}
        best = rows.sort_values("p_value", na_position="last").iloc[0]
        section.pictures.append(
            Drawing(
                partial(figures.forest_all, rows, term, truth),
                f"Pooled effect of {words(term)} on {len(rows)} populations. The smallest p value has "
                f"{best['population']}: {best['estimate']:.3g}. All values are in the table meta.tsv.",
                f"Effect of {words(term)} on all {named(method)}",
            )
        )
        if len(rows) >= _VOLCANO_FROM:
            found = int((rows["q_value"] < 0.05).sum())
            section.pictures.append(
                Drawing(
                    partial(figures.volcano, rows, term),
                    f"Pooled effect of {words(term)} against its p value, {len(rows)} populations; {found} have "
                    "q < 0.05.",
                    f"Effect of {words(term)} and its p value, {named(method)}",
                )
            )
    if effects is not None:
        _forests(section, frames, estimates, effects, meta)
    columns = ["definition", "omitted", "q", "q_p", "estimator", "scale"]
    parts = [rows.sort_values(["p_value", "population"]) for _, _, rows in by_method(meta[meta["omitted"] == ""])]
    pooled = pd.concat(parts) if parts else meta[meta["omitted"] == ""]
    section.sheets.append(sheet(pooled, "meta.tsv", "Pooled effects", hide=columns))
    left_out = meta[(meta["omitted"] != "") & meta["estimate"].notna()]
    if len(left_out):
        hide = ["definition", "q", "q_p", "q_value", "estimator", "scale", "note"]
        section.sheets.append(sheet(left_out, "leave_one_out.tsv", "The same with one study left out", hide=hide))
    return section


def _forests(
    section: Section,
    frames: Mapping[str, "pd.DataFrame"],
    estimates: "pd.DataFrame",
    effects: "pd.DataFrame",
    meta: "pd.DataFrame",
) -> None:
    from immport_cyto.report import figures

    several = estimates[estimates["k"] >= 2].sort_values(["p_value", "population", "term"])
    for number, row in enumerate(several.head(_FORESTS_MOST).itertuples()):
        truth = _truth(frames, str(row.term)).get(str(row.population)) if row.method == "search" else None
        draw = partial(
            figures.forest,
            effects[effects["method"] == row.method],
            meta[meta["method"] == row.method],
            str(row.population),
            str(row.term),
            truth,
        )
        shown = Drawing(
            draw,
            f"Forest plot: {words(row.term)} on {row.population}, pooled {row.estimate:.3g} "
            f"({row.ci_low:.3g} to {row.ci_high:.3g}), {row.k} studies.",
            f"{row.population}: effect of {words(row.term)}, {named(row.method)}",
        )
        (section.pictures if number < _FORESTS_OPEN else section.folded).append(shown)
    if len(several) > _FORESTS_MOST:
        section.notes.append(
            f"Forest plots are shown for the {_FORESTS_MOST} smallest p values of {len(several)}; the tables hold all."
        )


def _truth(frames: Mapping[str, "pd.DataFrame"], term: str) -> dict[str, float]:
    truth = frames.get("truth")
    if truth is None:
        return {}
    rows = truth[truth["term"] == term]
    return {str(name): float(value) for name, value in zip(rows["population"], rows["effect"], strict=True)}


def _studies(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    import pandas as pd

    from immport_cyto.report.page import sheet

    samples = frames.get("samples")
    if samples is None:
        return None
    rows = []
    for study, part in samples.groupby("study_accession", sort=True):
        subjects = part.drop_duplicates("subject_accession")
        ages = subjects["age_years"].dropna()
        top = int(subjects["age_is_topcoded"].fillna(False).sum())
        sexes = subjects["sex"].replace("", "unknown").value_counts()
        rows.append(
            {
                "study": study,
                "files": len(part),
                "subjects": len(subjects),
                "age": f"{ages.min():.1f} to {ages.max():.1f}, median {ages.median():.1f}" if len(ages) else "unknown",
                "top-coded ages": top,
                "sex": ", ".join(f"{name} {count}" for name, count in sorted(sexes.items())),
                "technique": ", ".join(sorted(set(part["technique"]) - {""})),
                "sample": ", ".join(sorted(set(part["biosample_type"]) - {""})),
                "arms": ", ".join(sorted(set(part["arm_name"]) - {""})),
                "visits": ", ".join(sorted(set(part["visit_name"]) - {""})),
                "linked by": ", ".join(sorted(set(part["link_rule"]) - {""})),
            }
        )
    section = Section(
        "studies", "Studies and links", intro="Each FCS file with the sample and the subject it belongs to."
    )
    section.sheets.append(sheet(pd.DataFrame(rows), "studies.tsv", "Studies"))
    hide = [
        "experiment_accession", "biosample_accession", "arm_accession", "visit_accession", "race", "ethnicity",
        "species", "technique", "batch", "treatment", "study_time_collected", "study_time_collected_unit",
        "study_time_t0_event", "control_files",
    ]  # fmt: skip
    section.sheets.append(sheet(samples, "samples.tsv", "Samples", hide=hide))
    return section


def _panels(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    panels, panel = frames.get("panels"), frames.get("panel")
    if panels is None:
        return None
    section = Section("panels", "Panels", intro="Markers under one name over all studies, and where each is measured.")
    everywhere = set.intersection(*(set(str(cell).split(";")) for cell in panels["markers"])) - {""}
    shared = ", ".join(sorted(everywhere)) or "none"
    section.pictures.append(
        Drawing(
            partial(figures.panel_presence, panels),
            f"{len(panels)} panels; markers in all of them: {shared}.",
            f"Markers by panel. In all panels: {shared}",
        )
    )
    section.sheets.append(sheet(panels, "panels.tsv", "Panels"))
    if panel is not None:
        distinct = panel.drop_duplicates(["panel_id", "channel_number", "fcs_colname", "description", "antigen"])
        hide = ["file_name", "confidence", "analyte_accession"]
        section.sheets.append(
            sheet(distinct, "channels.tsv", "Channels: reported names and what they were read as", hide=hide)
        )
    return section


def _quality(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    qc = frames.get("qc")
    if qc is None:
        return None
    section = Section(
        "quality", "Quality control", intro="Where the events of each file went; no event is lost uncounted."
    )
    share = qc["n_events_out"].sum() / max(int(qc["n_events_in"].sum()), 1)
    section.pictures.append(
        Drawing(
            partial(figures.qc_bars, qc, frames.get("samples")),
            f"Events kept and dropped by reason in {len(qc)} files; {share:.1%} of all events kept.",
            "Events kept and dropped, by reason",
        )
    )
    section.sheets.append(sheet(qc, "qc.tsv", "Counts by reason"))
    return section


def _clusters(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report import figures
    from immport_cyto.report.page import sheet

    clusters, medians = frames.get("clusters"), frames.get("cluster_medians")
    if clusters is None or medians is None:
        return None
    section = Section(
        "clusters",
        "Clusters",
        intro="FlowSOM metaclusters of each panel, with the name that their phenotype fits.",
    )
    for (study, panel_id), rows in clusters.groupby(["study_accession", "panel_id"], sort=True):
        own = medians[(medians["study_accession"] == study) & (medians["panel_id"] == panel_id)]
        largest = rows.sort_values("fraction", ascending=False).iloc[0]
        section.pictures.append(
            Drawing(
                partial(figures.cluster_heatmap, own, rows),
                f"Heat map of {len(rows)} metaclusters by {own['marker'].nunique()} markers of {study} {panel_id}; "
                f"the largest is {largest['population']} with {largest['fraction']:.1%} of the events.",
                f"{study}, {panel_id}",
            )
        )
    section.sheets.append(sheet(clusters, "clusters.tsv", "Metaclusters"))
    section.sheets.append(sheet(medians, "cluster_medians.tsv", "Medians"))
    return section


def _effects(frames: Mapping[str, "pd.DataFrame"]) -> Section | None:
    from immport_cyto.report.page import sheet

    effects = frames.get("effects")
    if effects is None:
        return None
    section = Section("effects", "Effects per study", intro="One linear model per population and study.")
    section.sheets.append(sheet(effects, "effects.tsv", "Effects", hide=["definition", "panel_id", "scale", "model"]))
    if "truth" in frames:
        section.sheets.append(sheet(frames["truth"], "truth.tsv", "True effects of the simulated studies"))
    return section


def _warnings(frames: Mapping[str, "pd.DataFrame"], warnings: list[str]) -> Section | None:
    from immport_cyto.report.page import sheet

    failures = frames.get("failures")
    if failures is None and not warnings:
        return None
    section = Section("warnings", "Warnings", intro="Every guess and oddity, and every file that could not be used.")
    section.notes = list(warnings)
    if failures is not None:
        section.sheets.append(sheet(failures, "failures.tsv", "Files not used"))
    return section


def _provenance(provenance: Mapping[str, Any]) -> Section | None:
    import pandas as pd

    from immport_cyto.report.page import sheet

    if not provenance:
        return None
    section = Section(
        "provenance", "Provenance", intro="Versions, options, seeds and checksums: what is needed to repeat this."
    )
    if provenance.get("repeat"):
        section.codes.append(("Command", str(provenance["repeat"])))
    settings = {key: provenance[key] for key in ("versions", "parameters", "counts") if key in provenance}
    text = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False, default=str)
    section.codes.append(("Versions, options and counts", text))
    listed = [*provenance.get("inputs", []), *provenance.get("files", [])]
    if listed:
        frame = pd.DataFrame([{"name": row["name"], "sha256": row["sha256"]} for row in listed])
        section.sheets.append(sheet(frame, "inputs.tsv", "Inputs with checksums"))
    return section
