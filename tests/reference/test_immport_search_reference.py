"""Search and reagents over eight real studies."""

from pathlib import Path

import pytest

from immport_cyto.immport import Store, open_store

pytestmark = pytest.mark.shared

PACKAGES = ("SDY139-DR25", "SDY144-DR28", "SDY180-DR29", "SDY208-DR25", "SDY364-DR29", "SDY372-DR29", "SDY404-DR29",
            "SDY514-DR32")  # fmt: skip
NAIVE = ["CD3", "CD4", "CD45RA", "CCR7"]


@pytest.fixture(scope="module")
def store(shared_data: Path) -> Store:
    store = open_store()
    store.load([shared_data / "immport" / "tab" / f"{name}_Tab.zip" for name in PACKAGES])
    return store


def test_every_result_file_has_a_panel_but_two(store: Store) -> None:
    files = store.connection.execute(
        "SELECT f.study_accession, coalesce(origin, ''), count(*) "
        "FROM file f LEFT JOIN file_panel USING (file_info_id) "
        "WHERE f.role = 'sample' GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    assert files == [
        ("SDY139", "reagents", 100), ("SDY144", "channels", 302), ("SDY180", "", 2), ("SDY180", "channels", 2206),
        ("SDY364", "channels", 348), ("SDY372", "channels", 266), ("SDY404", "reagents", 2062),
        ("SDY514", "channels", 591),
    ]  # fmt: skip


def test_four_markers_in_one_panel(store: Store) -> None:
    found = store.search(markers=NAIVE)
    assert dict(zip(found["study_accession"], found["n_files"], strict=True)) == {
        "SDY144": 63, "SDY180": 354, "SDY364": 87, "SDY404": 209,
    }  # fmt: skip
    old = store.search(markers=["cd3", "CD4", "CD45RA", "CD197"], biosample_type="PBMC", age_min=60)
    columns = ["study_accession", "n_subjects", "n_biosamples", "n_expsamples", "n_files", "n_panels"]
    assert old[columns].to_numpy().tolist() == [["SDY404", 32, 127, 127, 127, 1]]
    files = store.search("files", markers=NAIVE, biosample_type="PBMC", age_min=60)
    assert len(files) == 127
    assert (files["age_years"] >= 60).all()
    assert set(files["panel_id"]) == {old["panel_ids"].iloc[0]}


def test_second_opinion_on_the_headers(store: Store) -> None:
    """Files of SDY180 with CD3, CD4 and CD8 in the reported $PnS, whatever else is there."""
    labels: dict[int, set[str]] = {}
    for number, pns in store.connection.execute(
        "SELECT file_info_id, upper(pns) FROM fcs_param JOIN file USING (file_info_id) "
        "WHERE study_accession = 'SDY180' AND role = 'sample'"
    ):
        labels.setdefault(number, set()).add(pns)
    expected = sum({"CD3", "CD4", "CD8"} <= found for found in labels.values())
    assert store.search(markers=["CD3", "CD4", "CD8"], studies="SDY180")["n_files"].tolist() == [expected]


def test_reagents(store: Store) -> None:
    found = store.reagents("CD25", reporter="PE")
    columns = ["manufacturer", "catalog_number", "studies", "n_expsamples", "n_files"]
    assert found[columns].to_numpy().tolist() == [["BD Bioscience", "341009", "SDY404", 206, 206]]
    everything = store.reagents(studies=["SDY514"])
    assert dict(zip(everything["catalog_number"], everything["target"], strict=True))["341654"] == "CD4"
    assert set(everything["studies"].str.contains("SDY514")) == {True}
