"""No ID that a user defined and no date reaches what a run writes to be shared."""

import gzip
import zipfile
from pathlib import Path

import pytest
import yaml

from immport_cyto import fcs, study
from immport_cyto.immport import templates

pytestmark = pytest.mark.xdist_group("run")
ID, PERSON, DAY, DAY_OF_PERSON = "LEAKED-0007", "Leaked Surname", "19-JUL-2013", "2013-07-19"
DAY_OF_ARM = "2011-05-06"  # in a name that is shared: kept, and warned of
PLANTED = (ID, "LEAKED", "Leaked", "Surname", "JUL-2013", DAY_OF_PERSON, "20130719")
KEYWORDS = {
    "$DATE": DAY, "$OP": PERSON, "$SRC": ID, "PATIENT ID": ID, "SAMPLE ID": ID, "TUBE NAME": f"{ID} tube",
    "EXPORT USER NAME": PERSON, "EXPORT TIME": f"{DAY}-10:00:00", "$BTIM": "10:00:00", "CST SETUP DATE": DAY_OF_PERSON,
    "EXPERIMENT NAME": f"{DAY_OF_PERSON} {PERSON}", "$COM": ID,
    "$FIL": f"blood {DAY_OF_PERSON}.fcs", "LAB REMARK": f"made on {DAY}",
}  # fmt: skip


def plant(source: Path, target: Path) -> None:
    """The package with columns of the user's own, as the private tables of ImmPort have them."""
    with zipfile.ZipFile(source) as package, zipfile.ZipFile(target, "w") as planted:
        for name in package.namelist():
            header, *lines = package.read(name).decode().split("\n")
            own = ("USER_DEFINED_ID", "PRIVATE_NOTE", "BIRTH_DATE")
            rows = [f"{line}\t{ID}\t{PERSON}\t{DAY_OF_PERSON}" for line in lines if line]
            if name.endswith("/arm_or_cohort.txt"):
                rows[0] = rows[0].replace("\tHealthy controls\t", f"\tHealthy controls {DAY_OF_ARM}\t")
            planted.writestr(name, "\n".join(["\t".join([header, *own]), *rows]) + "\n")


@pytest.fixture(scope="module")
def shared(test_data, tmp_path_factory) -> Path:
    """The output of a run on a study with planted IDs, persons and dates."""
    folder = tmp_path_factory.mktemp("planted")
    package = folder / "SDY9901-DR99_Tab.zip"
    plant(test_data / "SDY9901" / package.name, package)
    files = folder / "fcs"
    files.mkdir()
    for path in sorted((test_data / "SDY9901").rglob("*.fcs")):
        f = fcs.open(path)
        fcs.write(files / path.name, f.raw(), f.channels, {**f.keywords, **KEYWORDS})
        assert fcs.open(files / path.name).keywords["$OP"] == PERSON
    config = {
        "title": "Planted",
        "studies": [{"metadata": str(package), "fcs": str(files)}],
        "populations": str(test_data / "definitions.tsv"),
        "cluster": {"grid": [5, 5], "metaclusters": 8, "seed": 1},
        "model": {"formula": "age_years"},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(config))
    study.run(study.read(folder / "study.yaml"), folder / "results", jobs=1, quiet=True)
    return folder / "results"


def content_of(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def test_nothing_of_it_is_in_what_the_run_writes(shared):
    paths = [path for path in sorted(shared.rglob("*")) if path.is_file()]
    assert {"samples.tsv", "populations.tsv", "report.html"} <= {path.name for path in paths}
    leaks = {
        (str(path.relative_to(shared)), word) for path in paths for word in PLANTED if word.encode() in content_of(path)
    }
    assert leaks == set()


def test_the_check_finds_nothing_either(shared, tmp_path):
    upload = tmp_path / "subject.tsv"
    upload.write_text(f"USER_DEFINED_ID\tX\n{ID}\t1\n")
    report = templates.check_privacy(shared, identifiers=upload)
    assert report.n_identifiers == 1
    assert {(f.file, f.column, f.rule) for f in report.findings} == {("samples.tsv", "arm_name", "privacy-date")}


def test_the_report_warns_of_a_date(shared):
    n_rows = (shared / "samples.tsv").read_text().count(DAY_OF_ARM)
    warning = f"samples.tsv, arm_name: {n_rows} rows: the text holds a date"
    assert n_rows > 0
    assert warning in (shared / "report.html").read_text()
    assert warning in (shared / "provenance.json").read_text()
