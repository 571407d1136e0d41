"""Kept steps are whole or absent, and change with everything that can change their result."""

import pytest

from immport_cyto.study import steps


def test_a_result_appears_whole(tmp_path):
    place = tmp_path / "work" / "step" / "abc"
    with steps.fill(place) as folder:
        (folder / "x").write_text("1")
        assert not place.exists()
    assert (place / "x").read_text() == "1"


def test_a_failed_step_leaves_nothing(tmp_path):
    place = tmp_path / "step" / "abc"

    def fail():
        with steps.fill(place) as folder:
            (folder / "x").write_text("1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list((tmp_path / "step").iterdir()) == []


def test_leftovers_of_a_kill_are_removed_and_results_stay(tmp_path):
    kept = steps.Steps(tmp_path)
    (tmp_path / "step" / "abc").mkdir(parents=True)
    (tmp_path / "step" / "def.part-123").mkdir()
    kept.clean()
    assert [path.name for path in (tmp_path / "step").iterdir()] == ["abc"]
    assert kept.place("step", "abc").is_dir()
    assert not kept.place("step", "def").exists()


def test_the_key_depends_on_step_options_and_inputs_only():
    base = steps.key("a", {"x": 1, "y": 2}, {"f": "1"})
    assert base == steps.key("a", {"y": 2, "x": 1}, {"f": "1"})
    others = [steps.key("b", {"x": 1, "y": 2}, {"f": "1"}), steps.key("a", {"x": 2, "y": 2}, {"f": "1"})]
    others.append(steps.key("a", {"x": 1, "y": 2}, {"f": "2"}))
    others.append(steps.key("a", {"x": 1, "y": 2}, {"g": "1"}))
    assert len({base, *others}) == 5


def test_another_version_of_the_program_does_the_work_again(monkeypatch):
    before = steps.key("a", {}, {})
    monkeypatch.setattr(steps, "__version__", "999")
    assert steps.key("a", {}, {}) != before


def test_publishing_replaces_what_was_there(tmp_path):
    (tmp_path / "a").write_text("new")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    steps.publish(tmp_path / "a", tmp_path / "out" / "a")
    assert (tmp_path / "out" / "a").read_text() == "new"
    assert len(list((tmp_path / "out").iterdir())) == 1
