"""Names and texts that would do harm in a shell, a path or a page, through Galaxy's own interface."""

import json
from pathlib import Path

import pytest

from support.galaxy_api import Session

pytestmark = pytest.mark.galaxy
ROOT = Path(__file__).parents[2]
FCS = ROOT / "test-data/SDY9901/ResultFiles/Flow_cytometry_result/D1_002_backbone.99010002.fcs"
EVENTS = ROOT / "test-data/galaxy/events/D1_002_backbone.99010002.fcs"
TRAP = "touch injected; id"
NAMES = {
    "quotes": """it's "so".fcs""",
    "shell": f"$({TRAP}) `{TRAP}` ${{HOME}} ; {TRAP} && {TRAP} | cat > injected.fcs",
    "path": "../../etc/passwd\\..\\x.fcs",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>.fcs",
    "cheetah": "$json.dumps(1) #set $x = 1 ${fcs} @SOURCE@.fcs",
    "unicode": "Übung γδ \u202egnp.exe 漢字.fcs",
    "option": "--help.fcs",
    "long": "x" * 251 + ".fcs",
}


@pytest.fixture(scope="module")
def session(galaxy):
    return Session(galaxy, "Hostile names")


@pytest.fixture(scope="module")
def upload(session):
    return session.upload(FCS, ext="fcs")


@pytest.fixture(scope="module")
def collection(session, upload):
    return session.build_list(upload, list(NAMES.values()))


def test_names_of_elements_are_only_names(session, collection):
    """Tables hold them as they are, pages escape them, nothing is run."""
    made = session.run_all("immport_cyto_fcs_info", {"fcs": {"src": "hdca", "id": collection}})
    table = session.content(made["info"])
    # a cell that a spreadsheet could run gets a quote in front
    written = [line.split("\t")[0].removeprefix("'") for line in table.splitlines()[1:]]
    assert sorted(written) == sorted(NAMES.values())
    assert table.count("FCS3.1") == len(NAMES)
    page = session.content(made["page"])
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    ("tool", "fcs", "more", "output"),
    [
        ("fcs_sample", "fcs", {"size|choice": "per_file", "size|per_file": 10}, "sampled"),
        ("fcs_deidentify", "fcs", {}, "clean"),
        ("fcs_convert", "way|input|fcs", {"way|choice": "from_fcs", "way|input|per": "list"}, "converted_list"),
    ],
)
def test_collections_keep_the_names(session, upload, tool, fcs, more, output):
    """A collection in, a collection out, under the same names letter by letter."""
    names = [name for key, name in NAMES.items() if key != "long"]
    collection = session.build_list(upload, names)
    made = session.run_all(f"immport_cyto_{tool}", {fcs: {"src": "hdca", "id": collection}, **more})
    assert sorted(one["element_identifier"] for one in session.elements(made[output])) == sorted(names)


def test_a_name_that_no_list_can_keep_is_refused_in_one_sentence(session, collection):
    """Galaxy would end such a job well, and leave the list empty."""
    message = session.fails(
        "immport_cyto_fcs_sample",
        {"fcs": {"src": "hdca", "id": collection}, "size|choice": "per_file", "size|per_file": 10},
    )
    assert message.strip() == (
        f"immport-cyto: error: {'x' * 40}...: has 255 characters; a list made in Galaxy keeps 226, rename the element"
    )


def test_a_line_break_in_a_name_is_refused_in_one_sentence(session, upload):
    collection = session.build_list(upload, ["a\nb.fcs"])
    message = session.fails("immport_cyto_fcs_info", {"fcs": {"src": "hdca", "id": collection}})
    names = [element["element_identifier"] for element in session.elements(collection)]
    # Galaxy may have taken the break out; if it came through, the program says what to do
    assert names != ["a\nb.fcs"] or "holds a control character or is not UTF-8; rename the file" in message


@pytest.mark.parametrize(
    "text",
    [f"CD3'; {TRAP}; '", f"$({TRAP})", f"`{TRAP}`", "CD3 || id", "<b>CD3</b>", "../CD3", '"CD3"', "γδ; ls #"],
)
def test_typed_text_reaches_the_program_as_it_is(session, text):
    """A marker that no file has is an error that quotes it, whatever it is."""
    events = session.collection_of(EVENTS)
    message = session.fails("immport_cyto_population_cutoffs", {"fcs": {"src": "hdca", "id": events}, "markers": text})
    assert "is not in all files" in message
    assert text.split(",")[0].strip() in message.replace("\\'", "'")
    assert "uid=" not in message


@pytest.mark.parametrize("text", ["CD3\nid", "CD3\\", "CD3\x1b[2J", "CD3\u202e"])
def test_text_that_cannot_be_passed_is_refused_by_the_form(session, text):
    """Not dropped letter by letter, which would ask for another marker."""
    events = session.collection_of(EVENTS)
    message = session.refused(
        "immport_cyto_population_cutoffs", {"fcs": {"src": "hdca", "id": events}, "markers": text}
    )
    assert "common signs only" in message or "nvalid" in message


def test_a_title_is_text_in_the_page(session):
    samples = session.upload(ROOT / "test-data/galaxy/samples.tsv")
    title = f"It's <script>alert('{TRAP}')</script> $HOME `id` γδ & 5 µg"
    made = session.run_all(
        "immport_cyto_report_build", {"title": title, "samples": {"values": [{"src": "hda", "id": samples}]}}
    )
    page = session.content(made["page"])
    assert "<script>alert(" not in page
    assert "&lt;script&gt;alert(" in page
    assert "$HOME `id` γδ &amp; 5 µg" in page


def test_a_package_under_a_hostile_name(session):
    package = session.upload(
        ROOT / "test-data/SDY9901/SDY9901-DR99_Tab.zip", ext="zip", name=f"../SDY9901-DR99'; {TRAP}; `id` $HOME_Tab.zip"
    )
    made = session.run_all(
        "immport_cyto_immport_search",
        {"source|of": "packages", "source|metadata": {"values": [{"src": "hda", "id": package}]}},
    )
    table = session.content(made["found"])
    assert table.splitlines()[1].startswith("SDY9901\t")
    assert json.dumps(table).count("injected") == 0


def test_nothing_was_run(galaxy, session):
    """No job left a file that a name asked for."""
    assert not list(Path(galaxy.state).rglob("injected*"))
