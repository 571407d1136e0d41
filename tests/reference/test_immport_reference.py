"""Real packages of ImmPort: every one loads, the counts are those of its tables, and releases agree."""

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from immport_cyto.immport import Store, open_store

pytestmark = pytest.mark.shared

# package -> FCS result files, other files, subjects, biosamples, expsamples; counted from the tables by hand
PACKAGES = {
    "SDY139-DR16": (100, 148, 62, 149, 1022),
    "SDY139-DR25": (100, 145, 62, 149, 1022),
    "SDY144-DR28": (302, 1017, 17, 307, 678),
    "SDY180-DR29": (2208, 2621, 46, 1629, 3313),
    "SDY208-DR16": (0, 6, 7, 23, 91),
    "SDY208-DR25": (0, 2, 7, 23, 91),
    "SDY364-DR29": (348, 858, 23, 345, 657),
    "SDY372-DR29": (266, 1089, 19, 245, 643),
    "SDY404-DR29": (2062, 92, 72, 814, 2712),
    "SDY514-DR16": (591, 27, 78, 295, 1754),
    "SDY514-DR20": (591, 27, 78, 295, 1754),
    "SDY514-DR22": (591, 24, 78, 295, 1754),
    "SDY514-DR24": (591, 24, 78, 295, 1754),
    "SDY514-DR27": (591, 24, 74, 295, 1754),
    "SDY514-DR29": (591, 24, 74, 295, 1754),
    "SDY514-DR32": (591, 24, 74, 295, 1754),
}
RELEASES = ["DR16", "DR20", "DR22", "DR24", "DR27", "DR29", "DR32"]


def loaded(shared_data: Path, *names: str) -> Store:
    store = open_store()
    store.load([shared_data / "immport" / "tab" / f"{name}_Tab.zip" for name in names])
    return store


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_loads_and_links_every_result_file(shared_data: Path, name: str) -> None:
    store = open_store()
    report = store.load(shared_data / "immport" / "tab" / f"{name}_Tab.zip")[0]
    results, others, subjects, biosamples, expsamples = PACKAGES[name]
    assert (report.study_accession, report.release) == tuple(name.split("-"))
    assert report.counts == {
        "subjects": subjects, "biosamples": biosamples, "expsamples": expsamples, "files": results + others,
        "result_files": results,
    }  # fmt: skip
    assert store.connection.execute("PRAGMA foreign_key_check").fetchall() == []
    samples = store.link(None)
    assert len(samples) == results
    assert samples["file_name"].is_unique
    assert len(store.orphans) == 0
    if results:
        assert set(samples["study_accession"]) == {name.split("-")[0]}
        assert set(samples["technique"]) == {"Flow cytometry"}
        assert (samples["subject_accession"] != "").all()
        assert (samples["arm_accession"] != "").all()
        # names alone, without their suffix as in Galaxy: each finds itself again, in any order
        names = [stored.removesuffix(".fcs") for stored in samples["file_name"]][::-1]
        again = store.link(names)
        assert set(again["link_rule"]) == {"file_info_id"}
        by_name = samples.set_index(samples["file_name"].str.removesuffix(".fcs"))["sample_id"]
        assert again.set_index("file_name")["sample_id"].to_dict() == by_name.to_dict()
        assert len(store.orphans) == 0


@pytest.mark.parametrize("name", PACKAGES)
def test_the_answer_agrees_with_a_plain_join_of_the_tables(shared_data: Path, name: str) -> None:
    """Second opinion with pandas: file, expsample, biosample, subject, arm, for the first expsample of a file."""
    import zipfile

    archive = zipfile.ZipFile(shared_data / "immport" / "tab" / f"{name}_Tab.zip")
    members = {Path(n).stem: n for n in archive.namelist() if n.endswith(".txt")}

    def table(*names: str) -> pd.DataFrame:
        member = next(members[n] for n in names if n in members)
        with archive.open(member) as stream:
            return pd.read_csv(stream, sep="\t", dtype=str, keep_default_na=False, quoting=3)

    links = table("expsample_2_file_info")[["EXPSAMPLE_ACCESSION", "FILE_INFO_ID"]].drop_duplicates()
    biosamples = table("expsample_2_biosample", "biosample_2_expsample")[["EXPSAMPLE_ACCESSION", "BIOSAMPLE_ACCESSION"]]
    joined = links.merge(biosamples.drop_duplicates()).merge(table("biosample"))
    subjects = table("subject")
    joined = joined.merge(subjects[["SUBJECT_ACCESSION", "GENDER"]], how="left", on="SUBJECT_ACCESSION")
    arms = table("arm_2_subject").merge(table("arm_or_cohort")[["ARM_ACCESSION", "STUDY_ACCESSION"]])
    columns = ["SUBJECT_ACCESSION", "STUDY_ACCESSION", "ARM_ACCESSION", "MIN_SUBJECT_AGE", "AGE_UNIT"]
    joined = joined.merge(arms[columns], how="left", on=["SUBJECT_ACCESSION", "STUDY_ACCESSION"])
    joined["order"] = joined["EXPSAMPLE_ACCESSION"].str.removeprefix("ES").astype(int)
    first = joined.sort_values("order").drop_duplicates("FILE_INFO_ID").set_index("FILE_INFO_ID")
    samples = loaded(shared_data, name).link(None)
    ids = samples["file_name"].str.extract(r"\.(\d+)\.fcs$")[0]
    expected = first.loc[list(ids)]
    assert list(samples["sample_id"]) == list(expected["EXPSAMPLE_ACCESSION"])
    assert list(samples["subject_accession"]) == list(expected["SUBJECT_ACCESSION"])
    assert list(samples["arm_accession"]) == list(expected["ARM_ACCESSION"])
    assert list(samples["biosample_type"]) == list(expected["TYPE"])
    assert list(samples["sex"]) == list(expected["GENDER"].fillna("").str.replace("_", " "))
    units = expected["STUDY_TIME_COLLECTED_UNIT"].map({"Days": 1.0, "Hours": 24.0}).astype(float)
    days = expected["STUDY_TIME_COLLECTED"].astype(float) / units
    assert list(samples["study_time_days"]) == pytest.approx(list(days))
    factor = expected["AGE_UNIT"].map({"Years": 1.0, "Months": 1 / 12, "Weeks": 7 / 365.25}).astype(float)
    ages = pd.to_numeric(expected["MIN_SUBJECT_AGE"], errors="coerce") * factor
    assert list(samples["age_years"]) == pytest.approx(list(ages), nan_ok=True, abs=1e-6)


def test_seven_releases_of_sdy514_give_the_same_samples_but_for_what_immport_changed(shared_data: Path) -> None:
    store = open_store()
    frames, changes = {}, {}
    for release in RELEASES:
        path = shared_data / "immport" / "tab" / f"SDY514-{release}_Tab.zip"
        changes[release] = store.load(path)[0].changes
        frames[release] = store.link(None)
        pd.testing.assert_frame_equal(frames[release], loaded(shared_data, f"SDY514-{release}").link(None))
        assert store.load(path)[0].status == "unchanged"
    differs: dict[str, list[str]] = {}
    for before, after in pairwise(RELEASES):
        one, other = frames[before].astype(str), frames[after].astype(str)
        differs[after] = [c for c in one.columns if not one[c].fillna("").equals(other[c].fillna(""))]
    assert differs == {
        "DR20": [], "DR22": [], "DR24": [], "DR27": ["biosample_type"], "DR29": [], "DR32": ["visit_name"],
    }  # fmt: skip
    # the 591 files come from the 74 biosamples that became PBMC in DR27
    assert [set(frames[r]["biosample_type"]) for r in ("DR24", "DR27")] == [{"Whole blood"}, {"PBMC"}]
    assert changes["DR20"] == [
        "arm_subject: 4 removed, 4 new", "biosample: subject_accession changed in 8",
    ]  # fmt: skip
    assert changes["DR22"] == ["file: 3 removed"]
    assert changes["DR27"] == ["arm_subject: 4 removed", "biosample: type changed in 74"]
    assert changes["DR32"] == ["visit: name changed in 3"]
    assert store.load(shared_data / "immport" / "tab" / "SDY514-DR16_Tab.zip")[0].status == "older"


def test_sdy514_ages_sexes_and_the_six_expsamples_of_a_file(shared_data: Path) -> None:
    store = loaded(shared_data, "SDY514-DR32")
    samples = store.link(None)
    assert samples["sex"].value_counts().to_dict() == {"Female": 328, "Male": 240, "Not Specified": 23}
    assert samples["age_is_topcoded"].sum() == 8
    assert set(samples.loc[samples["age_is_topcoded"].fillna(False), "age_years"]) == {90.0}
    assert samples["age_years"].isna().sum() == 23  # the three control donors have age 0 of unit 'Not Specified'
    assert samples["treatment"].value_counts().to_dict() == {
        "No treatment": 511, "IL-10;IL-21;IL-6;Unstim;interferon alpha;interferon gamma": 80,
    }  # fmt: skip
    assert store.findings == [
        "80 result files (first: S_18-006.531310.fcs) belong to several expsamples, 6 each; the first is given"
    ]


@pytest.mark.parametrize("release", ["DR16", "DR25"])
def test_sdy139_controls_do_not_fan_out_and_mice_have_ages_in_years(shared_data: Path, release: str) -> None:
    store = loaded(shared_data, f"SDY139-{release}")
    samples = store.link(None)
    roles = dict(store.connection.execute("SELECT role, count(*) FROM file WHERE name LIKE '%.fcs' GROUP BY role"))
    assert roles == {"sample": 100, "control": 45}
    assert len(samples) == 100
    assert samples["sample_id"].is_unique
    assert set(samples["age_years"].round(6)) == {round(2 / 12, 6)}
    assert set(samples["species"]) == {"Mus musculus"}


def test_sdy144_files_of_two_expsamples_and_visits(shared_data: Path) -> None:
    store = loaded(shared_data, "SDY144-DR28")
    samples = store.link(None)
    assert store.findings == [
        "184 result files (first: 10321.477291.fcs) belong to several expsamples, 2 each; the first is given"
    ]
    assert samples["subject_accession"].nunique() == 17
    assert samples["sex"].value_counts().to_dict() == {"Male": 164, "Female": 138}
    assert (samples["visit_accession"] != "").all()
    assert store.connection.execute("SELECT count(*) FROM population_result").fetchone() == (8508,)
    assert store.connection.execute("SELECT count(*) FROM fcs").fetchone() == (302,)


def test_all_studies_together_keep_their_rows(shared_data: Path) -> None:
    newest = ["SDY139-DR25", "SDY144-DR28", "SDY180-DR29", "SDY208-DR25", "SDY364-DR29", "SDY372-DR29", "SDY404-DR29",
              "SDY514-DR32"]  # fmt: skip
    store = loaded(shared_data, *newest)
    samples = store.link(None)
    counts = samples["study_accession"].value_counts().to_dict()
    assert counts == {n.split("-")[0]: PACKAGES[n][0] for n in newest if PACKAGES[n][0]}
    for name in ("SDY144-DR28", "SDY404-DR29"):
        alone = loaded(shared_data, name).link(None)
        part = samples[samples["study_accession"] == name.split("-")[0]].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, part)


# file -> subject, age, sex, biosample: the Subject_2 tables as printed
TRUTH = {
    "11059_cells_found.573523.fcs": ("SUB137208", 84.0, "Male", "BS813932"),
    "11445_cells_found.573686.fcs": ("SUB137584", 84.0, "Male", "BS814004"),
    "11462_cells_found.573690.fcs": ("SUB137601", 90.0, "Male", "BS814006"),
    "11491-1_cells_found.573697.fcs": ("SUB137630", 86.0, "Female", "BS815733"),
    "Hs90208C20090205_00.583331.fcs": ("SUB167415", 79.72, "Male", "BS891003"),
    "Hs90210C20090205_00.583065.fcs": ("SUB167417", 33.0, "Female", "BS890907"),
    "Hs90211C20090205_00.583066.fcs": ("SUB167418", 24.02, "Female", "BS890908"),
    "Ki67ccr7_Hs60022C200906243.581846.fcs": ("SUB167094", 30.76, "Male", "BS890598"),
    "Ki67ccr7_Hs60025C200907134.583112.fcs": ("SUB167095", 41.14, "Male", "BS890924"),
    "Ki67ccr7_Hs60041C200908104.581964.fcs": ("SUB167108", 28.08, "Female", "BS890636"),
    "Ki67ccr7_Hs60056C200909217.581912.fcs": ("SUB167119", 39.25, "Female", "BS890614"),
    "T_Hs60003C200900407A_00.581924.fcs": ("SUB167080", 55.62, "Female", "BS890626"),
    "T_Hs60011C200900505A_00.581822.fcs": ("SUB167087", 53.87, "Male", "BS890594"),
    "T_Hs60012C200900505A_00.581833.fcs": ("SUB167088", 37.03, "Male", "BS890595"),
}


@pytest.mark.parametrize("tables", ["extdata/SDY*/*.txt", "subject_2/*.txt"])
@pytest.mark.parametrize("suffix", [True, False])
def test_the_fourteen_real_files_are_linked_to_subject_age_and_sex(
    shared_data: Path, tables: str, suffix: bool
) -> None:
    metacyto = shared_data / "metacyto"
    files = {
        path.name if suffix else path.stem: path for path in sorted((metacyto / "extdata").rglob("*.fcs"))
    }  # fmt: skip
    store = open_store()
    store.load(sorted(metacyto.glob(tables)))
    samples = store.link(files)
    truth = TRUTH if suffix else {name.removesuffix(".fcs"): row for name, row in TRUTH.items()}
    columns = ["subject_accession", "age_years", "sex", "biosample_accession"]
    assert {row["file_name"]: tuple(row[c] for c in columns) for row in samples.to_dict("records")} == truth
    assert set(samples["link_rule"]) == {"file_info_id"}
    assert len(store.orphans) == 0
    topcoded = samples.loc[samples["age_is_topcoded"].astype(bool), "subject_accession"]
    assert list(topcoded) == ["SUB137601"]
    assert samples.groupby("study_accession")["technique"].unique().map(list).to_dict() == {
        "SDY420": ["CyTOF"], "SDY736": ["Flow cytometry"],
    }  # fmt: skip
    assert store.findings == []
    if tables.startswith("subject_2"):
        assert set(samples["study_time_days"]) == {0.0}
        assert set(samples["arm_name"]) == {"Healthy Control Subjects", "CMV negative"}
        assert set(samples["visit_name"]) == {"Visit 1", "Sample Drawn"}


def test_the_folders_of_the_real_studies_load_as_they_are(shared_data: Path) -> None:
    store = open_store()
    reports = store.load([shared_data / "metacyto" / "extdata" / name for name in ("SDY420", "SDY736")])
    assert [(r.study_accession, r.kind, r.release, r.counts["result_files"]) for r in reports] == [
        ("SDY420", "subject_2", "DR19", 4), ("SDY736", "subject_2", "DR19", 10),
    ]  # fmt: skip


def test_four_real_studies_in_one_package_are_the_four_packages(shared_data: Path, tmp_path: Path) -> None:
    """As ALLSTUDIES packages are: one Tab folder with the rows of all studies; and as a zip of four Tab folders."""
    import zipfile

    names = ["SDY144-DR28", "SDY364-DR29", "SDY404-DR29", "SDY139-DR25"]
    joined: dict[str, tuple[list[str], dict[str, None]]] = {}
    folders = tmp_path / "four.zip"
    with zipfile.ZipFile(folders, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name in names:
            with zipfile.ZipFile(shared_data / "immport" / "tab" / f"{name}_Tab.zip") as archive:
                for member in (m for m in archive.namelist() if m.endswith(".txt")):
                    content = archive.read(member)
                    target.writestr(member, content)
                    lines = content.decode("utf-8", errors="surrogateescape").rstrip("\n").split("\n")
                    header, rows = joined.setdefault(Path(member).name, (lines[0].split("\t"), {}))
                    own = lines[0].split("\t")
                    for line in lines[1:]:
                        cells = dict(zip(own, line.split("\t"), strict=False))
                        rows["\t".join(cells.get(column, "") for column in header)] = None
    together = tmp_path / "ALLSTUDIES-DR29_Tab.zip"
    with zipfile.ZipFile(together, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for table, (header, rows) in joined.items():
            text = "\n".join(["\t".join(header), *rows]) + "\n"
            target.writestr(f"ALLSTUDIES-DR29_Tab/Tab/{table}", text.encode("utf-8", errors="surrogateescape"))
    alone = {name.split("-")[0]: loaded(shared_data, name).link(None) for name in names}
    for package in (folders, together):
        store = open_store()
        reports = store.load(package)
        assert sorted(report.study_accession for report in reports) == sorted(alone)
        samples = store.link(None)
        assert len(samples) == sum(map(len, alone.values()))
        for study, expected in alone.items():
            part = samples[samples["study_accession"] == study].reset_index(drop=True)
            pd.testing.assert_frame_equal(part, expected)
