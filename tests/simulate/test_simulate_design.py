from dataclasses import replace

import pytest

from immport_cyto import simulate
from immport_cyto.exceptions import OptionError, OutputExistsError
from immport_cyto.simulate import Design, Effect, StudyDesign, Unwanted
from immport_cyto.simulate.design import check

DEMO = simulate.PRESETS["demo"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "huge"}, "preset 'huge' is not known; use one of demo, test"),
        ({"studies": 0}, "studies is 0, out of range; use 1 to 99"),
        ({"studies": 100}, "studies is 100, out of range; use 1 to 99"),
        ({"subjects": 3}, "subjects is 3, out of range; use 4 to 999"),
        ({"events": 10}, "events is 10, out of range; use 50 to 1000000"),
        ({"seed": -1}, "seed is -1, out of range"),
        ({"design": DEMO, "events": 100}, "a design has its own studies, subjects and events"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        simulate.studies(tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def _with(**changes):
    return replace(DEMO, studies=(replace(DEMO.studies[0], **changes),))


@pytest.mark.parametrize(
    ("design", "message"),
    [
        (Design(()), "studies is 0"),
        (_with(panels=()), "a study has no panel; give one or more of backbone"),
        (_with(panels=("brain",)), "panel is 'brain', which is not known; use one of backbone, tcell, lineage, mass"),
        (_with(panels=("tcell", "mass")), "panels tcell, mass of one study must differ and be of one technique"),
        (_with(panels=("tcell", "tcell")), "panels tcell, tcell of one study must differ"),
        (_with(ages=(40, 30)), "oldest age is 30, out of range; use 40 to 90"),
        (_with(ages=(20, 95)), "oldest age is 95, out of range"),
        (_with(second_visit=1.5), "second_visit is 1.5, out of range"),
        (_with(time_unit="Weeks"), "time_unit is 'Weeks', which is not known; use one of Days, Hours"),
        (_with(unwanted=Unwanted(debris=0.5)), "fraction of debris is 0.5, out of range; use 0 to 0.2"),
        (replace(DEMO, subject_sd=-1), "subject_sd is -1, out of range"),
        (replace(DEMO, effects=(Effect("Unicorns", "age_years", 1),)), "population of an effect is 'Unicorns'"),
        (replace(DEMO, effects=(Effect("NK cells", "height", 1),)), "term of an effect is 'height'"),
        (replace(DEMO, effects=(Effect("NK cells", "age_years", 9),)), "effect of age_years on NK cells is 9"),
        (replace(DEMO, effects=(Effect("NK cells", "age_years", 0.1),) * 2), "two effects of age_years on NK cells"),
    ],
)
def test_bad_designs(design, message):
    with pytest.raises(OptionError, match=message):
        check(design)


def test_sizes_change_a_preset():
    design = simulate.preset("demo", studies=5, subjects=8, events=77)
    assert [study.panels[0] for study in design.studies] == ["backbone", "tcell", "mass", "backbone", "tcell"]
    assert {study.subjects for study in design.studies} == {8}
    assert design.events == 77
    assert simulate.preset("demo") == DEMO


def test_a_folder_in_use_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(OutputExistsError, match="exists and is not empty; choose another output folder"):
        simulate.studies(tmp_path, preset="test")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled_and_a_design_of_ones_own_is_made(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    design = Design((StudyDesign(("lineage",), subjects=4, second_visit=0, days=1),), events=60, clog_every=0)
    counts = simulate.studies(out, design=design, seed=3)
    assert counts["studies"] == 1
    assert counts["subjects"] == counts["files"] == 4
    assert sorted(p.name for p in out.iterdir()) == ["SDY9901", "definitions.tsv", "study.yaml", "truth"]
