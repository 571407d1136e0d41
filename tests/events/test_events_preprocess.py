import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from immport_cyto import events, fcs
from immport_cyto.events import _preprocess, keywords
from immport_cyto.exceptions import (
    AnalysisError,
    CompensationError,
    FCSError,
    InputError,
    OptionError,
    PanelError,
)
from support import events_simulated as sim

NAME = "a.fcs"
SPILL = np.array([[1.0, 0.1, 0.0], [0.05, 1.0, 0.02], [0.0, 0.04, 1.0]])
SPILL_TEXT = "3,FITC-A,PE-A,APC-A," + ",".join(str(v) for v in SPILL.ravel())
REASONS = ("nonfinite", "margin", "time", "debris", "doublet", "bead", "dead", "unsampled")

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(made: sim.Simulated, name: str = "source.fcs", **extra: str) -> Path:
        channels = [fcs.Channel(n, pnn, pns, 32, float(sim.LIMIT)) for n, (pnn, pns, _) in enumerate(made.channels, 1)]
        text = {key.replace("__", "$"): value for key, value in extra.items()}
        fcs.write(tmp_path / name, made.values, channels, {"$CYT": "maker", "CREATOR": "e|1", **text})
        return tmp_path / name

    return make


def spilled(made: sim.Simulated) -> sim.Simulated:
    values = made.values.copy()
    values[:, 4:7] = values[:, 4:7] @ SPILL
    return replace(made, values=values)


def test_values_are_compensated_and_transformed(write: Write, tmp_path: Path) -> None:
    made = sim.flow(1, 4000)
    source = write(spilled(made), __SPILLOVER=SPILL_TEXT)
    result = events.preprocess(source, tmp_path / "out.fcs", file_name=NAME, panel=made.panel(NAME), qc="none")
    out = fcs.open(tmp_path / "out.fcs")
    values = out.events()
    assert values[:, 4:7] == pytest.approx(np.arcsinh(made.values[:, 4:7] / 150), abs=2e-3)
    assert values[:, 7] == pytest.approx(np.arcsinh(made.values[:, 7] / 150), abs=1e-5)
    assert (values[:, :4] == made.values[:, :4]).all()
    assert result.row["compensation"] == "file:$SPILLOVER"
    assert result.row["transform"] == "arcsinh:cofactor=150"
    assert result.row["warnings"] == ""


def test_a_file_has_its_own_name_unless_another_is_given(write: Write, tmp_path: Path) -> None:
    source = write(sim.flow(1, 1000))
    own = events.preprocess(str(source), str(tmp_path / "own.fcs"))
    given = events.preprocess(source, tmp_path / "given.fcs", file_name="given.fcs")
    assert (own.row["file_name"], given.row["file_name"]) == (source.name, "given.fcs")


def test_the_output_describes_itself(write: Write, tmp_path: Path) -> None:
    made = sim.flow(1, 4000, dead=0.1)
    source = write(made, __SPILLOVER=SPILL_TEXT, P5DISPLAY="LOG", __P5V="500")
    result = events.preprocess(source, tmp_path / "out.fcs", file_name=NAME, panel=made.panel(NAME))
    out = fcs.open(tmp_path / "out.fcs")
    assert out.version == "FCS3.1"
    assert [c.pnn for c in out.channels] == [c[0] for c in made.channels]
    assert out.channels[4].pns == "CD3"
    assert out.keywords["ICYTO_FORMAT"] == "1"
    assert out.keywords["ICYTO_FILE"] == NAME
    assert len(out.keywords["ICYTO_SOURCE_SHA256"]) == 64
    assert out.keywords["ICYTO_PANEL"] == "flow-3m-abcdef"
    assert out.keywords["ICYTO_TECHNIQUE"] == "flow"
    assert out.keywords["ICYTO_P5ROLE"] == "marker"
    assert out.keywords["ICYTO_P5CLASS"] == "type"
    assert out.keywords["ICYTO_P5TRANSFORM"] == "arcsinh:cofactor=150"
    assert out.keywords["ICYTO_P2TRANSFORM"] == "linear"
    counts = json.loads(out.keywords["ICYTO_QC"])
    assert counts == {key: value for key, value in result.row.items() if key.startswith("n_")}
    # another program must not compensate again
    assert "$SPILLOVER" not in out.keywords
    assert out.spillover() is None
    assert out.keywords["ICYTO_SPILLOVER"].startswith("3,FITC-A,PE-A,APC-A,1,0.1,0,")
    assert out.keywords["CREATOR"] == "e|1"
    assert out.keywords["$P5V"] == "500"
    assert "P5DISPLAY" not in out.keywords
    assert events.markers(out) == {"CD3": 4, "CD4": 5, "CD8": 6}


@pytest.mark.parametrize("transform", ["arcsinh", "logicle", "linear", "logicle:T=262144,W=0.7,M=4.5,A=0.2"])
def test_keywords_are_enough_to_invert(transform: str, write: Write, tmp_path: Path) -> None:
    made = sim.flow(2, 1000)
    source = write(made)
    events.preprocess(
        source, tmp_path / "out.fcs", file_name=NAME, panel=made.panel(NAME), transform=transform, qc="none"
    )
    out = fcs.open(tmp_path / "out.fcs")
    for index in range(out.n_channels):
        back = events.inverse(out.events([index])[:, 0], out.keywords[f"ICYTO_P{index + 1}TRANSFORM"])
        assert back == pytest.approx(made.values[:, index].astype(np.float64), rel=1e-4, abs=0.5)


def test_counts_add_up_and_match_the_file(write: Write, tmp_path: Path) -> None:
    made = sim.flow(3, 12000, debris=0.2, doublets=0.05, dead=0.1, margin=0.01)
    made.values[5, 4] = np.nan
    made.values[6, 1] = np.inf
    row = events.preprocess(
        write(made), tmp_path / "out.fcs", file_name=NAME, panel=made.panel(NAME), max_events=3000
    ).row
    assert row["n_nonfinite"] == 2
    assert row["n_events_out"] == 3000 == fcs.open(tmp_path / "out.fcs").n_events
    assert row["n_events_in"] == row["n_events_out"] + sum(row[f"n_{reason}"] for reason in REASONS)
    for reason in ("debris", "doublet", "dead", "margin"):
        assert row[f"n_{reason}"] == pytest.approx(made.truth[reason].sum(), rel=0.05, abs=3)


def test_the_subset_is_seeded_by_content_and_kept_in_order(write: Write, tmp_path: Path) -> None:
    made = sim.flow(4, 5000)
    source = write(made)

    def times(name: str, seed: int, path: Path = source) -> list[float]:
        events.preprocess(path, tmp_path / name, file_name=NAME, panel=made.panel(NAME), max_events=500, seed=seed)
        return fcs.open(tmp_path / name).events(["Time"])[:, 0].tolist()

    one = times("1.fcs", 1)
    assert one == sorted(one)
    assert len(set(one)) == 500
    assert set(one) <= set(made.values[:, 0].tolist())
    copy = tmp_path / "copy.fcs"
    copy.write_bytes(source.read_bytes())
    assert times("2.fcs", 1, copy) == one
    assert (tmp_path / "1.fcs").read_bytes() == (tmp_path / "2.fcs").read_bytes()
    assert times("3.fcs", 2) != one


def test_max_events_above_the_number_of_events_keeps_all(write: Write, tmp_path: Path) -> None:
    made = sim.flow(4, 400)
    row = events.preprocess(
        write(made), tmp_path / "o.fcs", file_name=NAME, panel=made.panel(NAME), max_events=400, qc="none"
    ).row
    assert (row["n_events_out"], row["n_unsampled"]) == (400, 0)


def test_cytof_defaults(write: Write, tmp_path: Path) -> None:
    made = sim.cytof(1, 5000, beads=0.05)
    row = events.preprocess(write(made), tmp_path / "o.fcs", file_name=NAME, panel=made.panel(NAME)).row
    out = fcs.open(tmp_path / "o.fcs")
    assert row["compensation"] == "none"
    assert row["transform"] == "arcsinh:cofactor=5"
    assert row["warnings"] == ""
    assert row["n_bead"] == made.truth["bead"].sum()
    assert out.keywords["ICYTO_P1TRANSFORM"] == "linear"
    assert out.keywords["ICYTO_P2TRANSFORM"] == "linear"
    assert out.keywords["ICYTO_P6TRANSFORM"] == "arcsinh:cofactor=5"


def test_logicle_widths_from_the_file_are_stated(write: Write, tmp_path: Path) -> None:
    made = sim.flow(2, 1000)
    result = events.preprocess(
        write(made), tmp_path / "o.fcs", file_name=NAME, panel=made.panel(NAME), transform="logicle"
    )
    assert "logicle widths were estimated from this file alone" in result.row["warnings"]
    assert result.transforms["FITC-A"].startswith("logicle:T=262144,W=")


def test_a_large_file_gives_the_same_bytes(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its matrix lives in a file without a name, and blocks of events end elsewhere."""
    made = sim.flow(2, 6000, debris=0.1, dead=0.05)
    made.values[17, 3] = np.nan
    source = write(spilled(made), __SPILLOVER=SPILL_TEXT)
    run = {"file_name": NAME, "panel": made.panel(NAME), "transform": "logicle:T=262144"}
    for limit in (None, 1500):
        small = events.preprocess(source, tmp_path / "small.fcs", max_events=limit, **run)
        with monkeypatch.context() as patch:
            patch.setattr(_preprocess, "_LARGE_BYTES", 0)
            patch.setattr(_preprocess, "_CHUNK_EVENTS", 1000)
            patch.setattr(_preprocess, "_BLOCK_EVENTS", 333)
            large = events.preprocess(source, tmp_path / "large.fcs", max_events=limit, **run)
        assert large.row == small.row
        assert (tmp_path / "large.fcs").read_bytes() == (tmp_path / "small.fcs").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.fcs", "small.fcs", "source.fcs"]


def test_a_large_file_without_room_on_the_disk(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = sim.flow(2, 3000)
    run = {"file_name": NAME, "panel": made.panel(NAME)}
    events.preprocess(write(made), tmp_path / "small.fcs", **run)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_preprocess, "_LARGE_BYTES", 0)
    monkeypatch.setattr(_preprocess.os, "posix_fallocate", full)
    events.preprocess(tmp_path / "source.fcs", tmp_path / "large.fcs", **run)
    assert (tmp_path / "large.fcs").read_bytes() == (tmp_path / "small.fcs").read_bytes()


def test_densities_before_and_after(write: Write, tmp_path: Path) -> None:
    made = sim.flow(1, 8000, dead=0.2)
    source = write(spilled(made), __SPILLOVER=SPILL_TEXT)
    result = events.preprocess(source, tmp_path / "o.fcs", file_name=NAME, panel=made.panel(NAME))
    shown = {density.label: density for density in result.figure_data.densities}
    assert list(shown) == ["CD3", "CD4", "CD8", "Live/Dead"]
    for density in shown.values():
        assert density.before.sum() == 8000
        # the matrix does not name the dye
        assert [part.sum() for part in (density.compensated,) if part is not None] == [8000] * (density.number < 8)
        assert density.after.sum() == result.row["n_events_out"]
        area = density.curve(density.after).sum() * density.step
        # the smoothing loses a little at the ends
        assert area == pytest.approx(result.row["n_events_out"] / 8000, abs=0.001)
    dye = shown["Live/Dead"]
    bright = dye.middles > 4
    assert dye.before[bright].sum() > 0.1 * dye.before.sum()
    assert dye.after[bright].sum() < 0.005 * dye.after.sum()
    # spill of CD3 lifts the CD4 of all T cells; compensation takes it back to around zero
    spread = shown["CD4"]
    near_zero = np.abs(spread.middles) < 1
    assert spread.compensated[near_zero].sum() > 1.2 * spread.before[near_zero].sum()


def test_the_table_of_densities_holds_the_histograms_of_the_written_values(write: Write, tmp_path: Path) -> None:
    made = sim.flow(1, 3000)
    result = events.preprocess(write(made), tmp_path / "o.fcs", file_name=NAME, panel=made.panel(NAME))
    table = events.densities.table(result.figure_data.densities, NAME, result.panel_id)
    assert set(table["panel_id"]) == set(made.panel(NAME)["panel_id"])
    assert list(table["fcs_colname"]) == ["FITC-A", "PE-A", "APC-A", "Zombie Aqua-A"]
    opened = fcs.open(tmp_path / "o.fcs")
    for row in table.itertuples():
        assert row.compensated == ""  # the file has no spillover matrix
        counts = np.array([int(count) for count in row.after.split(";")])
        written = opened.events([row.channel_number - 1])[:, 0].astype(np.float64)
        bins, expected = np.unique(np.rint(written / row.step).astype(int) - row.first, return_counts=True)
        assert counts.sum() == len(written)
        # a value at the edge of two bins may round to the other one
        assert np.abs(counts[bins] - expected).sum() <= 2


@pytest.mark.parametrize("transform", ["logicle:T=262144,W=0.5,M=4.5,A=0", "log"])
def test_bins_depend_on_the_transform_only(write: Write, tmp_path: Path, transform: str) -> None:
    tables = []
    for seed, factor in ((1, 1.0), (2, 3.0)):
        made = sim.flow(seed, 2000)
        made.values[:, 2:] *= factor
        result = events.preprocess(
            write(made), tmp_path / "o.fcs", file_name=NAME, panel=made.panel(NAME), transform=transform
        )
        tables.append(events.densities.table(result.figure_data.densities, NAME, result.panel_id))
    assert set(tables[0]["step"]) == set(tables[1]["step"]) == {0.0125}
    assert all(tables[0]["before"] != tables[1]["before"])


class TestCompensation:
    def run(self, source: Path, made: sim.Simulated, option: str = "auto") -> events.PreprocessResult:
        return events.preprocess(
            source, source.parent / "o.fcs", file_name=NAME, panel=made.panel(NAME), compensation=option
        )

    def test_a_matrix_that_does_not_fit(self, write: Write) -> None:
        made = sim.flow(1, 500)
        source = write(made, __SPILLOVER=SPILL_TEXT.replace("PE-A", "BV421-A"))
        with pytest.raises(CompensationError, match="channels that the file lacks .'BV421-A'."):
            self.run(source, made, "file")
        row = self.run(source, made).row
        assert row["compensation"] == "none"
        assert "not compensated: $SPILLOVER: the spillover matrix names channels" in row["warnings"]
        out = fcs.open(source.parent / "o.fcs")
        assert "$SPILLOVER" not in out.keywords
        assert "BV421-A" in out.keywords["ICYTO_UNUSED_SPILLOVER"]

    def test_a_malformed_matrix(self, write: Write) -> None:
        made = sim.flow(1, 500)
        source = write(made, __SPILLOVER="3,FITC-A,PE-A,APC-A,1,0")
        with pytest.raises(CompensationError, match=r"\$SPILLOVER has 5 entries"):
            self.run(source, made, "file")
        assert "not compensated" in self.run(source, made).row["warnings"]

    def test_no_matrix(self, write: Write) -> None:
        made = sim.flow(1, 500)
        source = write(made)
        with pytest.raises(CompensationError, match=r"source.fcs: no spillover matrix in the file; give a table"):
            self.run(source, made, "file")
        assert self.run(source, made).row["warnings"] == "not compensated: no spillover matrix in the file"
        assert self.run(source, made, "none").row["warnings"] == ""

    def test_identity(self, write: Write) -> None:
        made = sim.flow(1, 500)
        source = write(made, __SPILLOVER="2,FITC-A,PE-A,1,0,0,1")
        assert self.run(source, made).row["compensation"] == "already compensated"

    def test_instrument_matrix_of_fcs2_is_taken_as_applied(self, write: Write) -> None:
        made = sim.flow(1, 500)
        names = {"FITC-A": "FL1-A", "PE-A": "FL2-A"}
        made.channels = tuple((names.get(pnn, pnn), pns, role) for pnn, pns, role in made.channels)
        source = write(made, __DFC1TO2="10", __DFC2TO1="2")
        row = self.run(source, made).row
        assert row["compensation"] == "already compensated"
        assert "$DFCmTOn taken as applied" in row["warnings"]
        assert self.run(source, made, "file").row["compensation"] == "file:$DFCmTOn"

    def test_table(self, write: Write, tmp_path: Path) -> None:
        made = sim.flow(1, 500)
        table = tmp_path / "mine.csv"
        table.write_text("FITC-A,PE-A,APC-A\n" + "\n".join(",".join(map(str, row)) for row in SPILL) + "\n")
        source = write(spilled(made), __SPILLOVER="2,FITC-A,PE-A,1,0.5,0.5,1")
        result = self.run(source, made, str(table))
        assert result.row["compensation"] == "table:mine.csv"
        back = fcs.open(tmp_path / "o.fcs").events()[:, 4:7]
        assert back == pytest.approx(np.arcsinh(made.values[:, 4:7] / 150), abs=2e-3)


class TestBadInput:
    def run(self, source: Path, made: sim.Simulated, **options: object) -> events.PreprocessResult:
        options = {"panel": made.panel(NAME)} | options
        return events.preprocess(source, source.parent / "o.fcs", file_name=NAME, **options)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"transform": "biexp"}, "transform 'biexp' is unknown"),
            ({"cofactor": -1.0}, "arcsinh cofactor -1 is not a positive number"),
            ({"cofactor": 5.0, "transform": "logicle"}, "has no use with transform 'logicle'"),
            ({"qc": "hard"}, "qc 'hard' is unknown; use auto or none"),
            ({"max_events": 0}, "max_events is 0; give at least 1"),
        ],
    )
    def test_options(self, options: dict[str, object], message: str, write: Write) -> None:
        made = sim.flow(1, 300)
        with pytest.raises(OptionError, match=message):
            self.run(write(made), made, **options)

    def test_no_events(self, write: Write) -> None:
        made = sim.flow(1, 300)
        empty = replace(made, values=made.values[:0])
        with pytest.raises(AnalysisError, match=r"a.fcs: the file holds no events; leave it out"):
            self.run(write(empty), made)

    def test_one_event(self, write: Write) -> None:
        made = sim.flow(1, 300)
        row = self.run(write(replace(made, values=made.values[:1])), made).row
        assert row["n_events_out"] == 1

    def test_only_nan(self, write: Write) -> None:
        made = sim.flow(1, 300)
        made.values[:, 6] = np.nan
        with pytest.raises(AnalysisError, match="every event has a value that is not finite, most in 'APC-A'"):
            self.run(write(made), made)

    def test_preprocessed_twice(self, write: Write) -> None:
        made = sim.flow(1, 300)
        self.run(write(made), made)
        once = write(made).parent / "o.fcs"
        with pytest.raises(InputError, match="was written by events preprocess already; give the original"):
            events.preprocess(once, once.parent / "p.fcs", file_name=NAME, panel=made.panel(NAME))
        assert not (once.parent / "p.fcs").exists()

    def test_panel_of_other_files(self, write: Write) -> None:
        made = sim.flow(1, 300)
        with pytest.raises(PanelError, match=r"a.fcs: not in the panel table"):
            self.run(write(made), made, panel=made.panel("b.fcs"))
        with pytest.raises(PanelError, match=r"does not describe the 8 channels of the file .*'Event_length'"):
            self.run(write(made), made, panel=sim.cytof(1, 300).panel(NAME))

    def test_not_an_fcs_file(self, tmp_path: Path) -> None:
        path = tmp_path / "x.fcs"
        path.write_text("<xml/>")
        with pytest.raises(FCSError, match=r"x.fcs"):
            self.run(path, sim.flow(1, 300))

    def test_nothing_is_written_after_an_error(self, write: Write, tmp_path: Path) -> None:
        made = sim.flow(1, 300)
        source = write(made)
        with pytest.raises(CompensationError):
            self.run(source, made, compensation="file")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["source.fcs"]


@pytest.mark.parametrize(
    ("key", "spillover", "scale"),
    [
        ("$SPILLOVER", True, False),
        ("SPILL", True, False),
        ("$COMP", True, False),
        ("$DFC1TO12", True, False),
        ("$DFCATOB", False, False),
        ("$COM", False, False),
        ("$P3D", False, True),
        ("P12DISPLAY", False, True),
        ("$P3V", False, False),
        ("$PROJ", False, False),
    ],
)
def test_keywords_that_no_longer_hold(key: str, spillover: bool, scale: bool) -> None:
    assert keywords.is_spillover(key) == spillover
    assert keywords.is_channel_scale(key) == scale
