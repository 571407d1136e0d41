"""test-data/ is what scripts/make_test_data.sh makes, to the byte, and small."""

from pathlib import Path

TEST_DATA = Path(__file__).parents[2] / "test-data"
REMAKE = "test-data/ is not what the code makes; if the change is meant, run scripts/make_test_data.sh and commit it"


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_test_data_is_remade_to_the_same_bytes(small):
    made = files(small)
    kept = {name: content for name, content in files(TEST_DATA).items() if name.split("/")[0] in _owned(made)}
    assert sorted(kept) == sorted(made), REMAKE
    changed = [name for name in made if kept[name] != made[name]]
    assert changed == [], REMAKE


def _owned(made: dict[str, bytes]) -> set[str]:
    return {name.split("/")[0] for name in made}


def test_test_data_is_small():
    assert sum(len(content) for content in files(TEST_DATA).values()) < 5_000_000
