"""study.yaml: what is wrong is named by file and key, before any work starts."""

import re
from dataclasses import fields, replace
from textwrap import dedent

import pytest

from immport_cyto import study
from immport_cyto.exceptions import InputError, OptionError
from immport_cyto.study.config import ClusterOptions, ModelOptions, PoolOptions, PreprocessOptions, StudyConfig
from immport_cyto.study.inputs import definitions
from immport_cyto.study.repeating import commands


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "SDY1_Tab.zip").write_bytes(b"x")
    (tmp_path / "fcs").mkdir()
    (tmp_path / "definitions.tsv").write_text("population\tdefinition\nT\tCD3+\n")
    return tmp_path


def write(folder, text: str):
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


STUDIES = "studies:\n  - {metadata: SDY1_Tab.zip, fcs: fcs}\n"


def test_only_studies_are_needed_and_paths_are_relative_to_the_file(folder):
    config = study.read(write(folder, STUDIES))
    assert config.studies[0].metadata == (folder / "SDY1_Tab.zip",)
    assert config.studies[0].fcs == (folder / "fcs",)
    assert config.cluster == ClusterOptions()
    assert config.model == ModelOptions(formula="age_years + sex", term=None, scale="logit")
    assert config.populations is None


def test_the_example_of_the_help_is_read_and_has_every_key(folder):
    for name in ("SDY420-DR40_Tab.zip", "SDY736-DR40_Tab.zip", "corrections.tsv", "effects.tsv"):
        (folder / name).write_bytes(b"x")
    for name in ("SDY420", "SDY736"):
        (folder / name / "ResultFiles").mkdir(parents=True)
    config = study.read(write(folder, dedent(study.EXAMPLE)))
    assert (config.model.min_samples, config.preprocess.cofactor) == (8, 150)
    assert config.cluster.markers == ("CD3", "CD4", "CD8")
    options = (StudyConfig, PreprocessOptions, ClusterOptions, ModelOptions, PoolOptions)
    for key in (field.name for option in options for field in fields(option)):
        assert re.search(rf"\b{key}\b", study.EXAMPLE), key


def test_a_partial_match_that_is_asked_for_arrives(folder):
    text = STUDIES + (
        "populations:\n"
        "  - {population: A, definition: CD3+ CD4+, partial: yes}\n"
        "  - {population: B, definition: 'CD3+ (CD4+ | CD8+) NOT [A]'}\n"
    )
    frame = definitions(study.read(write(folder, text)))
    assert frame["partial"].tolist() == ["yes", ""]
    assert frame["definition"].tolist()[1] == "CD3+ (CD4+ | CD8+) NOT [A]"


def test_a_named_reference_of_a_population_arrives(folder):
    text = STUDIES + (
        "populations:\n"
        "  - {population: T cells, definition: CD3+}\n"
        "  - {population: CD4 T cells, definition: CD4+, parent: T cells, reference: all}\n"
    )
    frame = definitions(study.read(write(folder, text)))
    assert frame["reference"].tolist() == ["", "all"]
    assert frame["parent"].tolist() == ["", "T cells"]


def test_every_option_arrives(folder):
    text = STUDIES + (
        "title: My run\n"
        "populations:\n"
        "  - {population: Naive CD4, definition: CD3+ CD4+ CCR7+, parent: CD3+ CD4+}\n"
        "  - CD19+\n"
        "preprocess: {compensation: none, transform: logicle, qc: auto, max_events: 500, seed: 7,\n"
        "  thresholds: {debris: FSC-A < 30000, dead: off}}\n"
        "cluster: {grid: [7, 5], metaclusters: auto, markers: [CD3, CD4], rlen: 5, seed: 3}\n"
        "model: {formula: arm_name, term: arm_name, scale: arcsine, baseline: {arm_name: A}, min_samples: 4}\n"
        "pool: {method: DL, test: z}\n"
    )
    config = study.read(write(folder, text))
    assert config.title == "My run"
    assert config.populations == (
        {"population": "Naive CD4", "definition": "CD3+ CD4+ CCR7+", "parent": "CD3+ CD4+", "cl_id": ""},
        {"population": "CD19+", "definition": "CD19+", "parent": "", "cl_id": ""},
    )
    assert (config.preprocess.transform, config.preprocess.max_events) == ("logicle", 500)
    assert config.preprocess.thresholds == ("debris: FSC-A < 30000", "dead: off")
    assert (config.cluster.grid, config.cluster.metaclusters, config.cluster.markers) == (
        (7, 5),
        "auto",
        ("CD3", "CD4"),
    )
    assert (config.model.baseline, config.model.min_samples) == ({"arm_name": "A"}, 4)
    assert (config.pool.method, config.pool.test) == ("DL", "z")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "studies must be a list with at least one study"),
        (STUDIES + "preprocess: {thresholds: ['FSC-A < 3']}\n", "preprocess.thresholds threshold 'FSC-A < 3' does not"),
        (STUDIES + "preprocess: {qc: none, thresholds: ['dead: off']}\n", "preprocess.thresholds has no use with qc"),
        (STUDIES + "preprocess: {thresholds: 3}\n", r"preprocess.thresholds is 3; give a list such as"),
        (STUDIES + "pool: {method: XX}\n", "pool.method is 'XX'; choose one of FE, DL"),
        ("studies: 3\n", "studies must be a list"),
        ("studies:\n  - {fcs: fcs}\n", r"studies\[1\].metadata is missing; give a path"),
        (STUDIES + "clusters: {}\n", "the file has an unknown key 'clusters'; did you mean 'cluster'"),
        (STUDIES + "cluster: {grid: 10}\n", "cluster.grid is 10; give two numbers"),
        (STUDIES + "cluster: {metaclusters: 1}\n", "cluster.metaclusters is 1; give a whole number of at least 2"),
        (STUDIES + "cluster: {seed: true}\n", "cluster.seed is True; give a whole number"),
        (STUDIES + "model: {scale: log}\n", "model.scale is 'log'; choose one of logit, arcsine, zscore, fraction"),
        (STUDIES + "preprocess: {transform: biex}\n", "preprocess.transform is 'biex'; choose one of"),
        (STUDIES + "preprocess: {max_events: 0}\n", "preprocess.max_events is 0; give a whole number of at least 1"),
        (STUDIES + "populations: [{population: T}]\n", r"populations\[1\].definition is missing; give gates"),
        (STUDIES + "model: {baseline: Female}\n", "model.baseline is 'Female'; give columns with their reference"),
        (STUDIES + "model: [1]\n", "model must hold keys and values"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_the_key(folder, text, message):
    with pytest.raises(OptionError, match=message) as caught:
        study.read(write(folder, text))
    assert "study.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("studies:\n  - {metadata: none.zip, fcs: fcs}\n", "metadata names 'none.zip', which does not exist"),
        (STUDIES + "populations: none.tsv\n", "populations names 'none.tsv', which does not exist"),
        ("studies: [\n", "is not valid YAML in line 2"),
        # YAML that would run a command if it were loaded unsafely
        ("!!python/object/apply:os.system [echo]\n", "is not valid YAML"),
    ],
)
def test_a_missing_path_or_no_yaml_is_named(folder, text, message):
    with pytest.raises(InputError, match=message):
        study.read(write(folder, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing.yaml: cannot be read"):
        study.read(tmp_path / "nothing.yaml")


@pytest.mark.parametrize("text", [
    "",
    ("title: 'A: <b>'\npopulations: definitions.tsv\n"
    "model: {formula: age_years, term: age_years, baseline: {sex: Male}}\n"),
    ("populations:\n  - CD3+\n  - {population: B, definition: CD19+, reference: CD3+}\n"
    "cluster: {grid: [7, 8], markers: [CD3]}\n"),
    ("preprocess: {compensation: definitions.tsv, thresholds: ['debris: FSC-A < 3'], seed: 3}\n"
    "pool: {method: DL, test: z}\n"),
    "method: metacyto\npreprocess: {rename: {CD8B: CD8}, max_events: 10}\ncluster: {clustering: flowhc}\n",
])  # fmt: skip
def test_a_run_tells_how_to_repeat_it(folder, text):
    """The text of the report, saved beside the files, is the same configuration again."""
    config = study.read(write(folder, STUDIES + text))
    (folder / "FCS_1").mkdir()
    head, _, again = commands(config).partition("\n\n")
    assert head == "immport-cyto study run study.yaml --out results"
    assert str(folder) not in again
    other = study.read(write(folder, again))
    assert replace(other, studies=config.studies) == config
    assert [path.name for path in other.studies[0].fcs] == ["FCS_1"]
