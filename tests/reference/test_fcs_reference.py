"""The reader against real files of many instruments, with checksums of the stored values as the truth."""

import csv
import hashlib

import numpy as np
import pytest

from immport_cyto import fcs
from immport_cyto.exceptions import FCSError, FCSTruncatedError

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def manifest(shared_data):
    with (shared_data / "fcs" / "manifest.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        row["full_path"] = shared_data / "fcs" / "files" / row["file"]
    return rows


def checksum(file):
    """First 12 hex digits of the SHA-1 of the raw values as little-endian float64, events x channels."""
    values = np.ascontiguousarray(file.raw(), dtype="<f8")
    return hashlib.sha1(values.tobytes()).hexdigest()[:12]  # noqa: S324 - an identity, no secret


def has_truth(row):
    return len(row["raw_sha1"]) == 12


def test_every_file_with_a_truth_is_right_or_says_that_it_is_truncated(manifest):
    wrong, truncated, right = [], [], 0
    for row in manifest:
        if not has_truth(row):
            continue
        try:
            file = fcs.open(row["full_path"])
        except FCSTruncatedError:
            truncated.append(row)
            continue
        if checksum(file) != row["raw_sha1"]:
            wrong.append(row["file"])
        right += 1
        assert file.events().shape == (file.n_events, file.n_channels)
        assert str(file.n_channels) == row["par"]
        assert file.version == row["version"]
    assert wrong == []
    assert all("TRUNCATED" in row["peculiarity"] for row in truncated)
    assert right >= 189
    for row in truncated:
        assert checksum(fcs.open(row["full_path"], partial=True)) == row["raw_sha1"]


def test_every_file_without_a_truth_is_a_clear_error(manifest):
    messages = {}
    for row in manifest:
        if has_truth(row):
            continue
        with pytest.raises(FCSError) as caught:
            fcs.open(row["full_path"])
        messages[row["file"].rpartition("__")[2]] = str(caught.value).removeprefix(f"{row['full_path']}: ")
    assert messages["test_testdata_testFCS2.fcs"].startswith("is a web page, not an FCS file")
    header_only = next(text for name, text in messages.items() if name.endswith("sample_header.fcs"))
    assert header_only.startswith("declares 20000 events of 108 bytes from byte 5912, but the file ends after 3931")


def test_second_data_set_of_beckman_files_has_full_resolution(manifest):
    rows = [row for row in manifest if "NEXTDATA=" in row["peculiarity"]]
    assert rows
    for row in rows:
        first, second = fcs.open(row["full_path"]), fcs.open(row["full_path"], dataset=1)
        assert first.datasets == second.datasets == 2
        assert second.n_events == first.n_events
        assert any(finding.code == "several_data_sets" for finding in first.findings)


def test_peculiarities_of_the_manifest_are_findings(manifest):
    pairs = {
        "log_amp with float data": "log_of_float",
        "(diff 1)": "data_end_one_too_far",
        "PnR not power of 2": "range_no_power_of_two",
        "non_ascii:latin-1": "encoding",
        "empty_values(": "empty_values",
        "header/TEXT DATA mismatch": "data_offsets_differ",
        "NEXTDATA=": "several_data_sets",
        "whitespace_around_key": "key_blanks",
        "PnB not byte aligned": "odd_bits",
    }
    missing = []
    for row in manifest:
        if not has_truth(row) or "TRUNCATED" in row["peculiarity"]:
            continue
        codes = {finding.code for finding in fcs.open(row["full_path"]).findings}
        missing += [
            (row["file"], code) for text, code in pairs.items() if text in row["peculiarity"] and code not in codes
        ]
    assert missing == []


def test_written_files_hold_the_same_events(manifest, tmp_path):
    """What is read from each tenth file and written again is read the same, with its other keywords."""
    for row in [row for row in manifest if has_truth(row) and "TRUNCATED" not in row["peculiarity"]][::10]:
        file = fcs.open(row["full_path"])
        path = tmp_path / "again.fcs"
        fcs.write(path, file.events(), file.channels, file.keywords)
        again = fcs.open(path)
        np.testing.assert_array_equal(again.events(), file.events(), err_msg=row["file"])
        assert again.names == file.names
        assert [c.pns for c in again.channels] == [c.pns for c in file.channels]
        lost = {k for k in file.keywords if k not in again.keywords and not k.startswith("$")}
        assert {key for key in lost if not key[1:2].isdigit()} == set(), row["file"]


def test_deidentified_files_are_clean_and_hold_the_same_events(manifest, tmp_path):
    """Every file: nothing more is found in keywords and names, no keyword moved, DATA and check words stay right."""
    from immport_cyto import tables
    from immport_cyto.fcs.batches import BATCHES, CHANGES
    from immport_cyto.fcs.deidentify import apply, plan, tables_of

    files = {}
    for row in manifest:
        if has_truth(row) and row["full_path"].stat().st_size < 2_000_000:
            files[row["file"]] = row["full_path"]
    plans = plan(files)
    apply(plans, tmp_path)
    batches, changes, _ = tables_of(plans)
    tables.write(batches, tmp_path / "batches.tsv", BATCHES)
    tables.write(changes, tmp_path / "changes.tsv", CHANGES)
    assert (batches["acquisition_batch"] != "").sum() > 130
    again = plan({one.new_name: tmp_path / one.new_name for one in plans})
    kept = [(one.name, c.keyword, c.value) for one in again for c in one.changes if c.action != "left"]
    assert kept == []
    assert sum(len(one.changes) for one in plans) > 1000
    for one in plans:
        old, new = (fcs.open(path, partial=True) for path in (one.path, tmp_path / one.new_name))
        assert checksum(new) == checksum(old), one.name
        assert list(new.keywords) == list(old.keywords), one.name
        assert new.size == old.size
        assert new.check_word() == old.check_word()
        changed = {c.keyword for c in one.changes}
        assert {k for k in old.keywords if old.keywords[k] != new.keywords[k]} <= changed, one.name
