"""The suite as a user of Galaxy sees it. Screenshots go to artefacts/."""

from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from support.galaxy_api import Session

pytestmark = [pytest.mark.galaxy, pytest.mark.browser]
ROOT = Path(__file__).parents[2]
DATA = ROOT / "test-data" / "galaxy"
SHOTS = ROOT / "artefacts"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
TITLE = "Age in three simulated studies"


@pytest.fixture(scope="module")
def session(galaxy):
    """A history with events, tables and the report of three studies."""
    session = Session(galaxy, "Age and T cells")
    session.upload_list("Preprocessed events", sorted((DATA / "events").glob("*.fcs")))
    names = ("samples", "panels", "qc", "populations", "effects", "meta")
    tables = {name: session.upload(DATA / f"{name}.tsv") for name in names}
    inputs = {name: {"values": [{"src": "hda", "id": dataset}]} for name, dataset in tables.items()}
    session.report = session.run("immport_cyto_report_build", {"title": TITLE, **inputs})
    return session


@pytest.fixture(scope="module")
def page(galaxy, session, chromium):
    """A page of the user, with a wide window."""
    SHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(90_000)
        expect.set_options(timeout=90_000)
        page.goto(f"{galaxy.url}/history/set_as_current?id={session.history}")
        page.goto(galaxy.url, wait_until="domcontentloaded")
        expect(page.get_by_role("button", name="Age and T cells").first).to_be_visible()
        yield page
        browser.close()


def test_the_tool_panel_shows_the_suite(page, server_module):
    panel = page.locator(".toolbox-panel, #toolbox-panel, .toolMenuContainer").first
    for label, _ in server_module.SECTIONS:
        expect(panel.get_by_text(label, exact=True).first).to_be_visible()
    panel.get_by_text("Clustering", exact=True).first.click()
    expect(panel.get_by_text("cluster the events of each study and panel")).to_be_visible()
    panel.get_by_text("Populations", exact=True).first.click()
    expect(panel.get_by_text("count the events of populations that are given by their gates")).to_be_visible()
    page.wait_for_timeout(500)
    page.screenshot(path=SHOTS / "galaxy-tool-panel.png")


@pytest.mark.parametrize(
    ("tool", "texts"),
    [
        ("cluster_flowsom", ["Preprocessed FCS files", "Preprocessed events", "Number of metaclusters"]),
        ("events_preprocess", ["FCS file", "Spillover matrix", "Quality control", "Transform of the markers"]),
        ("population_search", ["Preprocessed FCS files", "Populations", "Cut-offs"]),
        ("meta_effects", ["Populations per sample", "Model", "Scale of the fractions"]),
    ],
)
def test_the_form_reads_well(page, galaxy, tool, texts):
    page.goto(f"{galaxy.url}/?tool_id=immport_cyto_{tool}", wait_until="domcontentloaded")
    form = page.locator("#center")
    expect(form.get_by_role("button", name="Run Tool").first).to_be_visible()
    for text in texts:
        expect(form.get_by_text(text, exact=False).first).to_be_visible()
    expect(form.get_by_text("What it does").first).to_be_attached()
    page.wait_for_timeout(500)
    page.screenshot(path=SHOTS / f"galaxy-form-{tool.replace('_', '-')}.png")


def test_the_report_is_shown_in_the_history(page, galaxy, session):
    page.goto(f"{galaxy.url}/datasets/{session.report}/preview", wait_until="domcontentloaded")
    frame = next(frame for frame in _frames(page) if TITLE in (frame.title() or ""))
    expect(frame.get_by_role("heading", name=TITLE)).to_be_visible()
    expect(frame.get_by_text("Naive CD4 T cells").first).to_be_attached()
    drawn = "[...document.images].filter((i) => i.naturalWidth > 50).length > 0"
    frame.wait_for_function(drawn)
    page.screenshot(path=SHOTS / "galaxy-report.png")


def _frames(page):
    """Frames of the page once the report is among them."""
    for _ in range(120):
        if any(TITLE in (frame.title() or "") for frame in page.frames):
            break
        page.wait_for_timeout(500)
    return page.frames


def test_the_workflow_opens_in_the_editor(page, galaxy):
    source = ROOT / "workflows" / "cross-study-meta-analysis" / "cross-study-meta-analysis.gxwf.yml"
    made = galaxy.call("POST", f"/api/workflows?key={galaxy.user_key}", {"from_path": str(source)})
    assert made["name"].startswith("Cytometry across ImmPort studies")
    page.goto(f"{galaxy.url}/workflows/edit?id={made['id']}", wait_until="domcontentloaded")
    for text in ("Link FCS files to ImmPort", "FlowSOM", "Pooled effects", "Cytometry report"):
        expect(page.locator(".workflow-node, .node-title, #canvas-container").get_by_text(text).first).to_be_attached()
    page.wait_for_timeout(1500)
    page.screenshot(path=SHOTS / "galaxy-workflow-editor.png")
    # a dialog would name parameters that the file leaves open
    expect(page.get_by_text("Issues loading this workflow")).not_to_be_visible()
