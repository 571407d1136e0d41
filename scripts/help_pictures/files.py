"""FCS files, ImmPort and panels."""

import zipfile
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from help_pictures.demo import GALAXY, NAIVE, ONE, PUBLISHED, Demo, called, short, text_table
from help_pictures.schemes import Shown, scheme
from immport_cyto import fcs, immport, panel, tables
from immport_cyto.report import figures


def info(demo: Demo) -> Figure:
    """A file and what is in it."""
    name = next(name for name in demo.raw if "backbone" in name)
    file = fcs.open(demo.raw[name])
    text = pd.DataFrame({"keyword": ["$CYT", "$TOT", "$P7N", "$P7S", "SPILL"]})
    text["value"] = [file.keywords.get(key, "")[:46] for key in text["keyword"]]
    channels = pd.DataFrame([{"number": one.number, "$PnN": one.pnn, "$PnS": one.pns} for one in file.channels[6:10]])
    return scheme([Shown(name, text)], "FCS info", [Shown("channels", channels)])


def link(demo: Demo) -> Figure:
    """Files and a package give samples."""
    samples = demo.of_one(tables.SAMPLES).head(3)
    files = samples[["file_name"]]
    package = samples[["biosample_accession", "subject_accession"]].rename(columns=lambda name: name.upper())
    wanted = ["file_name", "subject_accession", "age_years", "sex", "arm_name", "link_rule"]
    return scheme(
        [Shown("FCS files", files), Shown(f"package {ONE}-DR99_Tab.zip", package)],
        "Link FCS files to ImmPort",
        [Shown("samples.tsv", samples[wanted])],
    )


def load(demo: Demo) -> Figure:
    """Packages give a store, which knows the studies."""
    packages = sorted((demo.work / "studies").glob("SDY*/*_Tab.zip"))
    with immport.open_store() as store:
        store.load(packages)
        found = store.studies()
    shown = found[["study_accession", "title", "release", "n_subjects"]]
    return scheme(
        [Shown("ImmPort packages", pd.DataFrame({"name": [path.name for path in packages]}))],
        "Load ImmPort packages",
        [Shown("store.sqlite: studies", shown)],
    )


def panels(demo: Demo) -> Figure:
    """Markers by panels."""
    return figures.panel_presence(demo.table(tables.PANELS))


def _two(demo: Demo) -> list[Path]:
    """Two files of one panel."""
    return [path for name, path in demo.raw.items() if "backbone" in name][:2]


def _events_of(paths: list[Path]) -> pd.DataFrame:
    return pd.DataFrame(
        {"file_name": [path.name for path in paths], "events": [fcs.open(path).n_events for path in paths]}
    )


def convert(demo: Demo) -> Figure:
    """An FCS file becomes a table of events."""
    source, out = _two(demo)[0], demo.work / "convert.tsv"
    wanted = ["Time", "FSC-A", "FITC-A", "PE-A"]
    called("fcs", "convert", source, "--to", "tsv", "--channels", ",".join(wanted), "--out", out)
    channels = [{"$PnN": one.pnn, "$PnS": one.pns} for one in fcs.open(source).channels if one.pnn in wanted]
    return scheme(
        [Shown(source.name, pd.DataFrame(channels))],
        "Convert FCS files",
        [Shown("events as tabular", text_table(out, wanted))],
    )


def deidentify(demo: Demo) -> Figure:
    """Keywords of persons and days are blanked, days become batches."""
    source, out = GALAXY / "personal.fcs", demo.work / "clean"
    called("fcs", "deidentify", source, "--out-dir", out, "--batches", demo.work / "batches.tsv")
    (clean,) = (fcs.open(path) for path in out.iterdir())
    names = ["$DATE", "$BTIM", "$CYT", "$TOT"]
    before = pd.DataFrame({"keyword": names, "value": [fcs.open(source).keywords[name] for name in names]})
    after = pd.DataFrame({"keyword": names, "value": [clean.keywords.get(name, "").strip() for name in names]})
    batches = text_table(demo.work / "batches.tsv", ["file_name", "acquisition_batch", "run_order"])
    return scheme(
        [Shown(source.name, before)],
        "De-identify FCS files",
        [Shown("the same file", after), Shown("batches.tsv", batches)],
    )


def merged(demo: Demo) -> Figure:
    """Two files become one."""
    sources, out = _two(demo), demo.work / "merged.fcs"
    called("fcs", "merge", *sources, "--out", out)
    file = fcs.open(out)
    number = file.events(["File"])[:, 0].astype(int)
    counts = pd.Series(number).value_counts().sort_index()
    made = pd.DataFrame({"channel File": counts.index, "events": counts.to_numpy()})
    return scheme(
        [Shown("FCS files", _events_of(sources))],
        "Merge FCS files",
        [Shown(f"merged.fcs: {file.n_events} events", made)],
    )


def sample(demo: Demo) -> Figure:
    """A subset of each file."""
    sources, out = _two(demo), demo.work / "sampled"
    called("fcs", "sample", *sources, "--total", "1000", "--quota", "proportional", "--out-dir", out)
    return scheme(
        [Shown("FCS files", _events_of(sources))],
        "Sample FCS files: 1,000 events, in proportion",
        [Shown("FCS files", _events_of(sorted(out.iterdir())))],
    )


def split(demo: Demo) -> Figure:
    """A file in pieces."""
    source, out = _two(demo)[0], demo.work / "parts"
    called("fcs", "split", source, "--events", "1000", "--out-dir", out)
    return scheme(
        [Shown("FCS file", _events_of([source]))],
        "Split FCS files: 1,000 events each",
        [Shown("FCS files", _events_of(sorted(out.iterdir())))],
    )


def _packages() -> list[Path]:
    return sorted(PUBLISHED.glob("*_Tab.zip"))


def _named(paths: list[Path]) -> Shown:
    return Shown("ImmPort packages", pd.DataFrame({"name": [path.name for path in paths]}))


def domains(demo: Demo) -> Figure:
    """Packages as SDTM-named tables."""
    out = demo.work / "domains"
    called("immport", "domains", "--metadata", *_packages(), "--out-dir", out)
    wanted = ["STUDYID", "DOMAIN", "USUBJID", "AGE", "AGEU", "SEX", "ARM"]
    return scheme([_named(_packages())], "SDTM domains", [Shown("dm.tsv", text_table(out / "dm.tsv", wanted))])


def results(demo: Demo) -> Figure:
    """Published results as populations."""
    out = demo.work / "published.tsv"
    called(
        "immport", "results", "--metadata", *_packages(), "--out", out, "--samples", demo.work / "published_samples.tsv"
    )
    wanted = ["study_accession", "sample_id", "population", "definition", "value", "unit"]
    return scheme([_named(_packages())], "Published results", [Shown("populations.tsv", text_table(out, wanted))])


def reagents(_: Demo) -> Figure:
    """Reagents of the packages."""
    with immport.open_store() as store:
        store.load(_packages())
        found = store.reagents()
    found = found[found["target"].isin(["CD25", "CCR7"])]
    wanted = ["reagent_accession", "target", "reporter", "studies", "panel_ids"]
    return scheme([_named(_packages())], "Reagents", [Shown("reagents.tsv: CD25 and CCR7", found[wanted].head(4))])


def studies(_: Demo) -> Figure:
    """Studies that have markers together in one panel."""
    with immport.open_store() as store:
        store.load(_packages())
        found = store.search("studies", markers=["CD3", "TCRgd"])
    wanted = ["study_accession", "title", "n_subjects", "panel_ids"]
    asked = Shown("markers of one panel", pd.DataFrame({"marker": ["CD3", "TCRgd"]}))
    return scheme([_named(_packages()), asked], "Search ImmPort studies", [Shown("studies.tsv", found[wanted])])


def template(demo: Demo) -> Figure:
    """Upload templates filled from results."""
    populations = demo.of_one(tables.POPULATIONS)
    populations = populations[populations["population"] == NAIVE][
        ["sample_id", "population", "n_events", "fraction"]
    ].head(3)
    out = demo.work / "upload.zip"
    run = demo.work / "run"
    called(
        "immport", "template", "--populations", run / "populations.tsv", "--samples", run / "samples.tsv",
        "--panel", run / "panel.tsv", "--workspace-file", "report.html", "--out", out,
    )  # fmt: skip
    with zipfile.ZipFile(out) as package:
        names = sorted(Path(name).name for name in package.namelist() if name.endswith(".txt"))
    return scheme(
        [Shown("populations.tsv", populations)],
        "Fill upload templates",
        [Shown("upload.zip", pd.DataFrame({"template": names[:6]}))],
    )


def validate(demo: Demo) -> Figure:
    """What ImmPort would refuse."""
    out = demo.work / "findings.tsv"
    called("immport", "validate", GALAXY / "upload.zip", "--out", out)
    found = text_table(out, ["file", "row", "column", "severity", "message"])
    found["message"] = [short(text, 60) for text in found["message"]]
    with zipfile.ZipFile(GALAXY / "upload.zip") as package:
        names = sorted(Path(name).name for name in package.namelist() if name.endswith(".txt"))[:3]
    return scheme(
        [Shown("upload.zip", pd.DataFrame({"template": names}))], "Validate an upload", [Shown("findings.tsv", found)]
    )


def privacy(demo: Demo) -> Figure:
    """What points to a person or a day."""
    out = demo.work / "private.tsv"
    called("immport", "privacy", GALAXY / "personal.fcs", "--out", out)
    found = text_table(out, ["file", "column", "severity", "rule", "message"])
    found["message"] = [short(text, 60) for text in found["message"]]
    shared = pd.DataFrame({"file": ["personal.fcs"]})
    return scheme([Shown("what is to be shared", shared)], "Check privacy", [Shown("findings.tsv", found)])


def explain(_: Demo) -> Figure:
    """How names are read."""
    names = ["CD4 PerCP Cy 5-5-A", "145Nd_CD4", "Zombie Aqua-A", "hCD197 BV421-A"]
    read = [panel.parse_channel(name) for name in names]
    found = pd.DataFrame(
        {
            "name": names,
            "role": [one.role for one in read],
            "antigen": [one.antigen for one in read],
            "reporter": [one.reporter for one in read],
            "confidence": [one.confidence for one in read],
        }
    )
    return scheme([Shown("names", found[["name"]])], "Explain names", [Shown("how they are read", found)])


def rename(demo: Demo) -> Figure:
    """Copies of the files with one name per marker."""
    source, out = demo.raw[next(iter(demo.files))], demo.work / "renamed"
    called("panel", "rename", source, "--panel", demo.work / "run" / "panel.tsv", "--out-dir", out)
    before, (after,) = fcs.open(source), [fcs.open(path) for path in out.iterdir()]
    chosen = [one.number - 1 for one in before.channels if "CD" in one.pns][:4]
    both = [
        pd.DataFrame([{"$PnN": file.channels[i].pnn, "$PnS": file.channels[i].pns} for i in chosen])
        for file in (before, after)
    ]
    return scheme([Shown(source.name, both[0])], "Rename markers", [Shown("its copy", both[1])])


def simulated(demo: Demo) -> Figure:
    """Studies with the right answers."""
    listed = pd.DataFrame(
        {
            "study": (names := sorted({path.parents[2].name for path in demo.raw.values()})),
            "FCS files": [sum(path.parents[2].name == name for path in demo.raw.values()) for name in names],
            "package": [f"{name}-DR99_Tab.zip" for name in names],
        }
    )
    truth = pd.read_csv(demo.work / "studies" / "truth" / "effects.tsv", sep="\t", keep_default_na=False)
    truth = truth[(truth["population"] == NAIVE) & (truth["study_accession"] == "")][["population", "term", "effect"]]
    options = pd.DataFrame({"option": ["size", "studies", "seed"], "value": ["demo", "3", "1"]})
    return scheme(
        [Shown("options", options)],
        "Simulate ImmPort studies",
        [Shown("studies", listed), Shown("true effects", truth.head(3))],
    )
