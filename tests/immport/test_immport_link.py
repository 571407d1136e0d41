from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immport_cyto import fcs, tables
from immport_cyto.exceptions import LinkError
from immport_cyto.immport import Store, open_store


@pytest.fixture
def store(study: Any, make_zip: Callable[..., Path]) -> Store:
    made = open_store()
    made.load(make_zip(study))
    return made


def row(samples: pd.DataFrame, name: str) -> dict[str, Any]:
    return samples.set_index("file_name").loc[name].to_dict()


def rules(samples: pd.DataFrame) -> dict[str, tuple[str, str]]:
    return {r["file_name"]: (r["sample_id"], r["link_rule"]) for r in samples.to_dict("records")}


def reasons(store: Store) -> dict[str, str]:
    found = store.orphans
    return dict(found.loc[found["kind"] == "file without metadata", ["file_name", "reason"]].to_numpy().tolist())


def test_one_row_per_result_file_with_controls_and_treatments_not_fanned_out(store: Store) -> None:
    samples = store.link(None)
    assert list(samples["file_name"]) == ["Mass 1.104.fcs", "a.101.fcs", "b.102.fcs", "b.103.fcs"]
    assert row(samples, "b.102.fcs") == {
        "sample_id": "ES1000", "study_accession": "SDY901", "experiment_accession": "EXP1",
        "biosample_accession": "BS1", "subject_accession": "SUB1", "arm_accession": "ARM1", "arm_name": "Young",
        "visit_accession": "PV1", "visit_name": "Day 0", "study_time_days": 1.5,
        "study_time_collected": "36", "study_time_collected_unit": "Hours",
        "study_time_t0_event": "Time of enrollment", "age_years": 1.5,
        "age_is_topcoded": False, "sex": "Female", "race": "White", "ethnicity": "Other", "species": "Homo sapiens",
        "biosample_type": "PBMC", "technique": "Flow cytometry", "treatment": "Brefeldin, 4 h;IL-6",
        "control_files": "comp.201.fcs", "panel_id": "",
        "batch": "", "link_rule": "",
    }  # fmt: skip
    assert len(store.orphans) == 0


def test_a_missing_visit_and_an_unknown_sex_lose_nothing(store: Store) -> None:
    found = row(store.link(None), "b.103.fcs")
    assert (found["visit_accession"], found["treatment"], found["sex"]) == ("", "", "Not Specified")
    assert (found["age_years"], found["age_is_topcoded"], found["study_time_days"]) == (90.0, True, 7.0)


def test_a_file_of_several_expsamples_gets_the_first_by_number_and_a_note(store: Store) -> None:
    found = row(store.link(None), "a.101.fcs")
    assert (found["sample_id"], found["subject_accession"]) == ("ES999", "SUB1")
    assert found["treatment"] == "Brefeldin, 4 h;IL-6;Unstim"
    assert store.findings == [
        "1 result file (first: a.101.fcs) belong to several expsamples, 2 each; the first is given"
    ]


def test_samples_that_differ_leave_a_field_empty_and_say_so(study: Any, make_zip: Callable[..., Path]) -> None:
    study["expsample_2_biosample"].append({"BIOSAMPLE_ACCESSION": "BS2", "EXPSAMPLE_ACCESSION": "ES1000"})
    store = open_store()
    store.load(make_zip(study))
    found = row(store.link(None), "b.102.fcs")
    assert (found["subject_accession"], found["sex"], found["species"]) == ("", "", "Homo sapiens")
    assert np.isnan(found["age_years"])
    assert found["arm_accession"] == "ARM1;ARM2"
    assert any("b.102.fcs" in text and "differ in biosample_accession" in text for text in store.findings)


def test_arms_are_those_of_the_biosamples_study(
    study: Any, make_zip: Callable[..., Path], other_accessions: Callable[..., Any]
) -> None:
    other = other_accessions(study, 5000)  # SUB2 is in ARM2 of SDY901 and in ARM5002 of SDY5901
    store = open_store()
    store.load([make_zip(study), make_zip(other, "SDY5901-DR30_Tab")])
    samples = store.link(None)
    assert len(samples) == 8
    arms = samples.loc[samples["subject_accession"] == "SUB2"].groupby("study_accession")["arm_accession"].unique()
    assert {name: list(found) for name, found in arms.items()} == {"SDY901": ["ARM2"], "SDY5901": ["ARM5002"]}


@pytest.mark.parametrize(
    ("name", "sample", "rule"),
    [
        ("a.101.fcs", "ES999", "file_info_id"),
        ("a.101", "ES999", "file_info_id"),
        ("A.101.FCS.gz", "ES999", "file_info_id"),
        ("another-spelling-a.101.fcs", "ES999", "file_info_id"),
        ("a.fcs", "ES999", "original_name"),
        ("a", "ES999", "original_name"),
        ("Mass 1", "ES1002", "original_name"),
    ],
)
def test_rules_on_names_alone(store: Store, name: str, sample: str, rule: str) -> None:
    assert rules(store.link([name])) == {name: (sample, rule)}


def test_a_name_half_like_immports_is_linked_by_its_id_without_a_note(store: Store) -> None:
    name = "a1b2.102.fcs"
    assert rules(store.link([name])) == {name: ("ES1000", "file_info_id")}
    assert store.findings == []


def test_a_name_unlike_immports_is_linked_by_its_id_with_a_note(store: Store) -> None:
    assert rules(store.link(["subject-one-day-0.102.fcs"])) == {"subject-one-day-0.102.fcs": ("ES1000", "file_info_id")}
    assert store.findings == [
        "subject-one-day-0.102.fcs is linked by its file_info_id, though ImmPort calls that file b.102.fcs"
    ]


def test_a_number_that_is_a_date_does_not_win_over_the_name(study: Any, make_zip: Callable[..., Path]) -> None:
    study["file_info"][0] |= {"NAME": "visit march.104.fcs.101.fcs", "ORIGINAL_FILE_NAME": "visit march.104.fcs"}
    store = open_store()
    store.load(make_zip(study))
    assert rules(store.link(["visit march.104.fcs"])) == {"visit march.104.fcs": ("ES999", "original_name")}


def test_old_releases_whose_stored_names_lack_the_id(study: Any, make_zip: Callable[..., Path]) -> None:
    for entry in study["file_info"]:
        entry["NAME"], entry["ORIGINAL_FILE_NAME"] = entry["ORIGINAL_FILE_NAME"], ""
    old = open_store()
    old.load(make_zip(study, "SDY901-DR16_Tab"))
    assert list(old.link(None)["file_name"]) == ["Mass 1.104.fcs", "a.101.fcs", "b.102.fcs", "b.103.fcs"]
    assert rules(old.link(["a.fcs", "b.103.fcs"])) == {
        "a.fcs": ("ES999", "original_name"), "b.103.fcs": ("ES1001", "file_info_id"),
    }  # fmt: skip


def test_original_name_and_size(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "b.fcs"
    path.write_bytes(b"x" * 30)
    assert rules(store.link({"b.fcs": path})) == {"b.fcs": ("ES1001", "original_name_size")}
    path.write_bytes(b"x" * 31)
    assert len(store.link({"b.fcs": path})) == 0
    assert reasons(store) == {
        "b.fcs": "2 result files have this name (b.102.fcs, b.103.fcs); give it with its file_info_id"
    }
    path.write_bytes(b"x" * 999)
    assert len(store.link({"a.fcs": path})) == 0
    assert reasons(store) == {"a.fcs": "a.101.fcs of SDY901 has the name but not the size (1000 bytes there, 999 here)"}


def write_fcs(path: Path, n_events: int, **keywords: str) -> Path:
    fcs.write(path, np.zeros((n_events, 2), dtype=np.float32), [("FSC-A", ""), ("FITC-A", "CD3")], keywords)
    return path


def test_keywords_link_a_renamed_file(store: Store, tmp_path: Path) -> None:
    by_guid = write_fcs(tmp_path / "x.fcs", 3, GUID="abc-1")
    by_fil = write_fcs(tmp_path / "y.fcs", 77, **{"$FIL": "tube_7.fcs"})
    by_own = write_fcs(tmp_path / "z.fcs", 3, ICYTO_FILE="Mass 1.104.fcs")
    other = write_fcs(tmp_path / "o.fcs", 78, **{"$FIL": "tube_7.fcs"})
    for path, sample in ((by_guid, "ES1001"), (by_fil, "ES1001"), (by_own, "ES1002")):
        assert rules(store.link({path.name: path})) == {path.name: (sample, "keyword")}
    assert len(store.link({other.name: other})) == 0
    assert reasons(store) == {"o.fcs": "no file of the metadata has this name or this id"}


def test_a_file_that_is_no_fcs_is_an_orphan_with_the_reason(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "broken.fcs"
    path.write_bytes(b"not an FCS file")
    store.link({"broken.fcs": path})
    assert "its keywords cannot be read" in reasons(store)["broken.fcs"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("comp.201.fcs", "ImmPort lists it as a compensation or control file, not as an FCS result file"),
        ("comp.fcs", "ImmPort lists it as a compensation or control file, not as an FCS result file"),
        ("c.301", "ImmPort lists it as a text file, not as an FCS result file"),
        ("unknown.fcs", "no file of the metadata has this name or this id"),
        ("unknown.999.fcs", "no file of the metadata has this name or this id"),
    ],
)
def test_orphans_say_why(store: Store, name: str, reason: str) -> None:
    assert len(store.link([name])) == 0
    assert reasons(store) == {name: reason}
    missing = store.orphans.query("kind == 'metadata without file'")
    assert list(missing["file_name"]) == ["Mass 1.104.fcs", "a.101.fcs", "b.102.fcs", "b.103.fcs"]
    assert set(missing["study_accession"]) == {"SDY901"}


def test_a_result_file_without_any_sample_is_an_orphan_too(study: Any, make_zip: Callable[..., Path]) -> None:
    study["expsample_2_file_info"] = [r for r in study["expsample_2_file_info"] if r["FILE_INFO_ID"] != "104"]
    store = open_store()
    store.load(make_zip(study))
    for files in (None, ["Mass 1.104.fcs", "a.101.fcs"]):
        samples = store.link(files)
        assert "Mass 1.104.fcs" not in set(samples["file_name"])
        assert reasons(store) == {"Mass 1.104.fcs": "ImmPort lists Mass 1.104.fcs but links it to no sample"}


def test_a_missing_experiment_or_biosample_keeps_the_row(study: Any, make_zip: Callable[..., Path]) -> None:
    study["expsample_2_biosample"] = [r for r in study["expsample_2_biosample"] if r["EXPSAMPLE_ACCESSION"] != "ES1002"]
    study["experiment"] = study["experiment"][1:]
    store = open_store()
    store.load(make_zip(study))
    samples = store.link(None)
    assert len(samples) == 4
    mass, flow = row(samples, "Mass 1.104.fcs"), row(samples, "b.103.fcs")
    assert (mass["sample_id"], mass["study_accession"], mass["subject_accession"]) == ("ES1002", "SDY901", "")
    assert (flow["sample_id"], flow["study_accession"], flow["subject_accession"]) == ("ES1001", "SDY901", "SUB2")


def test_the_same_result_file_twice_is_an_error(store: Store) -> None:
    with pytest.raises(LinkError, match=r"a.101.fcs and a.fcs are the same result file \(file_info_id 101\)"):
        store.link(["a.101.fcs", "a.fcs"])


def test_the_same_name_twice_is_an_error(store: Store) -> None:
    with pytest.raises(LinkError, match=r"two files are named 'a.fcs'; rename one"):
        store.link(["a.fcs", "a.fcs"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.sampled_from(["a.101.fcs", "b.102", "b.103.fcs", "Mass 1.fcs", "comp.201.fcs", "b.fcs", "x.1.fcs", "c.301"]),
        unique=True,
    )
)
def test_files_in_are_linked_or_orphans_and_order_does_not_matter(store: Store, names: list[str]) -> None:
    samples = store.link(names)
    orphans = store.orphans
    unlinked = orphans.loc[orphans["kind"] == "file without metadata", "file_name"]
    assert sorted([*samples["file_name"], *unlinked]) == sorted(names)
    assert len(samples) + (orphans["kind"] == "metadata without file").sum() == 4
    pd.testing.assert_frame_equal(samples, store.link(names[::-1]))
    assert list(samples.columns) == tables.SAMPLES.column_names


def test_missing_files_are_listed_for_the_studies_at_hand_only(
    study: Any, make_zip: Callable[..., Path], other_accessions: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "s.sqlite"
    with open_store(path) as store:
        store.load([make_zip(study), make_zip(other_accessions(study, 1000), "SDY1901-DR30_Tab")])
        store.link(["a.101.fcs"])
        assert store.orphans["study_accession"].value_counts().to_dict() == {"SDY1901": 4, "SDY901": 3}
    with open_store(path) as store:
        store.link(["a.101.fcs"])
        assert store.orphans["study_accession"].value_counts().to_dict() == {"SDY901": 3}
        store.link(["stranger.fcs"])
        assert store.orphans["file_name"].tolist() == ["stranger.fcs"]
