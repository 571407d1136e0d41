"""Scales that all files of a panel share, and the words for a transform."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immport_cyto import events, fcs, tables
from immport_cyto.events import scales
from immport_cyto.exceptions import FCSTruncatedError, InputError, OptionError, PanelError
from support import events_simulated as sim


def write(folder: Path, name: str, seed: int, spread: float = 1.0, top: float = sim.LIMIT) -> sim.Simulated:
    made = sim.flow(seed, 12_000)
    rng = np.random.default_rng(seed)
    made.values[:, 6] += rng.normal(0, 400 * spread, 12_000)
    made.values[:, 5] = np.abs(made.values[:, 5])
    channels = [fcs.Channel(n, pnn, pns, 32, float(top)) for n, (pnn, pns, _) in enumerate(made.channels, 1)]
    fcs.write(folder / name, made.values, channels, {})
    return made


@pytest.fixture
def study(tmp_path: Path) -> tuple[dict[str, Path], pd.DataFrame]:
    made = {name: write(tmp_path, name, seed, spread) for name, seed, spread in
            (("a.fcs", 1, 1), ("b.fcs", 2, 1.1), ("c.fcs", 3, 60))}  # fmt: skip
    return {name: tmp_path / name for name in made}, pd.concat([one.panel(name) for name, one in made.items()])


def test_one_scale_for_all_files_of_a_panel(study: tuple[dict[str, Path], pd.DataFrame], tmp_path: Path) -> None:
    files, panel = study
    found = scales.estimate(files, panel).set_index("fcs_colname")
    assert sorted(found.index) == ["APC-A", "FITC-A", "PE-A", "Zombie Aqua-A"]
    assert set(found["panel_id"]) == {"flow-3m-abcdef"}
    assert found.loc["APC-A", "antigen"] == "CD8"
    # no negative values: the default
    assert found.loc["PE-A", "transform"] == "logicle:T=262144,W=0.5,M=4.5,A=0"
    assert found.loc["PE-A", "n_files_negative"] == 0
    # one file in three is far off; the median does not follow it: r is near 1.64 x 400 below CD8- cells
    w = events.parse(found.loc["APC-A", "transform"]).W
    assert w == pytest.approx((4.5 - np.log10(262144 / 810)) / 2, abs=0.05)
    tables.write(found.reset_index(), tmp_path / "t.tsv", tables.TRANSFORMS)
    for name, path in files.items():
        made = events.preprocess(
            path, tmp_path / "o.fcs", file_name=name, panel=panel, transform=str(tmp_path / "t.tsv"), qc="none"
        )
        assert made.transforms["APC-A"] == found.loc["APC-A", "transform"]
        assert made.transforms["FSC-A"] == "linear"
        assert not any("widths were estimated" in text for text in made.warnings)
        out = fcs.open(tmp_path / "o.fcs")
        back = events.inverse(out.events(["APC-A"])[:, 0], out.keywords["ICYTO_P7TRANSFORM"])
        assert back == pytest.approx(fcs.open(path).events(["APC-A"])[:, 0], rel=1e-4, abs=0.5)


def test_order_and_names_of_the_files_do_not_matter(study: tuple[dict[str, Path], pd.DataFrame]) -> None:
    files, panel = study
    one = scales.estimate(files, panel)
    two = scales.estimate(dict(reversed(files.items())), panel.iloc[::-1])
    pd.testing.assert_frame_equal(one, two)


def test_the_largest_top_counts(study: tuple[dict[str, Path], pd.DataFrame], tmp_path: Path) -> None:
    files, panel = study
    write(tmp_path, "b.fcs", 2, top=2.0**22)
    found = scales.estimate(files, panel, family="hyperlog")
    assert found["transform"].str.startswith("hyperlog:T=4194304,W=").all()


def test_a_table_without_the_panel_or_channel(study: tuple[dict[str, Path], pd.DataFrame], tmp_path: Path) -> None:
    files, panel = study
    found = scales.estimate(files, panel)
    options = {"file_name": "a.fcs", "panel": panel, "qc": "none"}
    with pytest.raises(PanelError, match=r"has no transforms for panel flow-3m-abcdef; make it with the files"):
        events.preprocess(files["a.fcs"], tmp_path / "o", transform=found.assign(panel_id="flow-9m-ffffff"), **options)
    short = found[found["fcs_colname"] != "APC-A"]
    with pytest.raises(PanelError, match=r"no row for channel 'APC-A' of panel flow-3m-abcdef; make it again"):
        events.preprocess(files["a.fcs"], tmp_path / "o", transform=short, **options)
    with pytest.raises(OptionError, match="a cofactor of 5 has no use with a table of transforms"):
        events.preprocess(files["a.fcs"], tmp_path / "o", transform=found, cofactor=5, **options)
    with pytest.raises(InputError, match=r"none.tsv"):
        events.preprocess(files["a.fcs"], tmp_path / "o", transform=str(tmp_path / "none.tsv"), **options)


def test_estimation_needs_a_scale_with_a_width_and_original_files(
    study: tuple[dict[str, Path], pd.DataFrame], tmp_path: Path
) -> None:
    files, panel = study
    with pytest.raises(OptionError, match="transform 'arcsinh' has no parameters to estimate; use logicle or hyperlog"):
        scales.estimate(files, panel, family="arcsinh")
    events.preprocess(files["a.fcs"], tmp_path / "o.fcs", file_name="a.fcs", panel=panel)
    with pytest.raises(InputError, match="was written by events preprocess already"):
        scales.estimate({"a.fcs": tmp_path / "o.fcs"}, panel)


def test_the_log_scale_ends_at_its_low_end_and_says_so(tmp_path: Path) -> None:
    made = sim.flow(1, 500)
    channels = [fcs.Channel(n, pnn, pns, 32, float(sim.LIMIT)) for n, (pnn, pns, _) in enumerate(made.channels, 1)]
    fcs.write(tmp_path / "a.fcs", made.values, channels, {})
    row = events.preprocess(
        tmp_path / "a.fcs", tmp_path / "o.fcs", file_name="a.fcs", panel=made.panel("a.fcs"), transform="log", qc="none"
    ).row
    assert row["transform"] == "log:T=262144,M=4.5"
    low = (made.values[:, 4] < 262144 / 10**4.5).mean()
    assert f"{low:.1%} of CD3 lie below the low end of the log scale and became 0" in row["warnings"]
    assert fcs.open(tmp_path / "o.fcs").events([4]).min() == 0


def test_a_damaged_file_can_be_left_out(study: tuple[dict[str, Path], pd.DataFrame], tmp_path: Path) -> None:
    files, panel = study
    whole = scales.estimate({name: files[name] for name in ("a.fcs", "b.fcs")}, panel)
    files["c.fcs"].write_bytes(files["c.fcs"].read_bytes()[:5000])
    with pytest.raises(FCSTruncatedError):
        scales.estimate(files, panel)
    pd.testing.assert_frame_equal(scales.estimate(files, panel, skip_unusable=True), whole)
