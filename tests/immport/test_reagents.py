"""Reagents of a store."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from immport_cyto import tables
from immport_cyto.cli import main
from immport_cyto.exceptions import OptionError
from immport_cyto.immport import REAGENTS, Store, open_store
from immport_cyto.immport.reagents import usual_reporter


@pytest.fixture
def package(study: Any, make_zip: Callable[..., Path]) -> Path:
    common = {"IS_SET": "N", "MANUFACTURER": "BD Biosciences, San Jose, CA", "CATALOG_NUMBER": "1", "CLONE_NAME": ""}
    study["reagent"] = [
        {"REAGENT_ACCESSION": "ESR1", "NAME": "panel", "IS_SET": "Y"},
        {"REAGENT_ACCESSION": "ESR2", "NAME": "x", "ANALYTE_REPORTED": "CD25", "REPORTER_NAME": "R-PE", **common,
         "CLONE_NAME": "M-A251"},
        {"REAGENT_ACCESSION": "ESR3", "NAME": "y", "ANALYTE_REPORTED": "IL2RA", "REPORTER_NAME": "FITC", **common,
         "CLONE_NAME": "anti-human CD25"},
        {"REAGENT_ACCESSION": "ESR10", "NAME": "CD4 PerCP-Cy5.5", "REPORTER_NAME": "NA", **common,
         "CATALOG_NUMBER": "Clone- RM4-5"},
        {"REAGENT_ACCESSION": "ESR11", "NAME": "unused", "ANALYTE_REPORTED": "CD25", **common},
        {"REAGENT_ACCESSION": "ESR12", "NAME": "PBS", **common, "MANUFACTURER": "Gibco"},
    ]  # fmt: skip
    header = dict.fromkeys(name for row in study["reagent"] for name in row)
    study["reagent"] = [{name: row.get(name, "") for name in header} for row in study["reagent"]]
    study["expsample_2_reagent"] += [
        {"EXPSAMPLE_ACCESSION": "ES1000", "REAGENT_ACCESSION": "ESR2"},
        {"EXPSAMPLE_ACCESSION": "ES1002", "REAGENT_ACCESSION": "ESR10"},
        {"EXPSAMPLE_ACCESSION": "ES1002", "REAGENT_ACCESSION": "ESR12"},
    ]
    return make_zip(study)


@pytest.fixture
def store(package: Path) -> Store:
    store = open_store()
    store.load(package)
    return store


def test_reagents_are_harmonised_counted_and_sets_expanded(store: Store) -> None:
    found = store.reagents()
    assert found[["reagent_accession", "target", "reporter", "clone"]].to_numpy().tolist() == [
        ["ESR12", "", "", ""], ["ESR3", "CD25", "FITC", ""], ["ESR2", "CD25", "PE", "M-A251"],
        ["ESR10", "CD4", "PerCP-Cy5.5", "RM4-5"],
    ]  # fmt: skip
    counts = found.set_index("reagent_accession")[["studies", "n_expsamples", "n_files"]]
    assert counts.loc["ESR2"].tolist() == ["SDY901", 2, 2]  # ES999 by the set, ES1000 itself; files a and b
    assert counts.loc["ESR3"].tolist() == ["SDY901", 1, 1]
    assert counts.loc["ESR10"].tolist() == ["SDY901", 1, 1]
    assert found["panel_ids"].str.count("flow-|cytof-").tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"target": "CD25", "reporter": "pe"}, ["ESR2"]), ({"target": "IL2RA"}, ["ESR3", "ESR2"]),
        ({"clone": "ma251"}, ["ESR2"]), ({"clone": "M-A251", "target": "CD8"}, []),
        ({"manufacturer": "bd bio"}, ["ESR3", "ESR2", "ESR10"]),
        ({"catalog_number": "1", "target": "cd25"}, ["ESR3", "ESR2"]),
        ({"studies": ["sdy901"]}, ["ESR12", "ESR3", "ESR2", "ESR10"]),
        ({"target": "CD8"}, []), ({"reporter": "PerCP-Cy5.5"}, ["ESR10"]),
    ],
)  # fmt: skip
def test_conditions(store: Store, wanted: dict[str, Any], found: list[str]) -> None:
    assert store.reagents(**wanted)["reagent_accession"].tolist() == found


@pytest.mark.parametrize(
    ("reported", "name", "usual"),
    [
        ("R-PE", "", "PE"), ("Alexa700", "", "Alexa Fluor 700"), ("", "CD4 PerCP-Cy5.5", "PerCP-Cy5.5"),
        ("NA", "IL-2", ""), ("142Nd", "", "142Nd"), ("Glow 9000", "", "Glow 9000"), ("", "", ""),
    ],
)  # fmt: skip
def test_reporters(reported: str, name: str, usual: str) -> None:
    assert usual_reporter(reported, name) == usual


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"target": "CD25PE9"}, "target 'CD25PE9' is unknown; give an antigen, such as CD25"),
        ({"studies": ["SDY1"]}, "study 'SDY1' is not in the store; load its package first"),
        ({"clone": "M-A25"}, r"no reagent of the store has the clone 'M-A25'; did you mean M-A251 or "),
        ({"reporter": "Glow 9000"}, "no reagent of the store has the reporter 'Glow 9000'; it has: "),
        ({"manufacturer": "Nobody"}, "no reagent of the store has the manufacturer 'Nobody'; it has: "),
        ({"catalog_number": "0-0"}, "no reagent of the store has the catalog number '0-0'; it has: "),
    ],
)
def test_what_cannot_be_asked(store: Store, wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        store.reagents(**wanted)


def test_reagents_on_the_command_line(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reagents.tsv"
    arguments = ["--metadata", str(package), "--target", "CD25", "--reporter", "PE", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["immport-cyto", "immport", "reagents", *arguments, "--json", str(tmp_path / "j")])
    main()
    assert capsys.readouterr().out == "1 reagent\n"
    assert tables.read(out, REAGENTS)["clone"].tolist() == ["M-A251"]
    monkeypatch.setattr(
        sys, "argv", ["immport-cyto", "immport", "reagents", "--target", "nonsense", *arguments[:2], "--out", "x"]
    )
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    assert capsys.readouterr().err.endswith("error: target 'nonsense' is unknown; give an antigen, such as CD25\n")
