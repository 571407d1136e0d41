"""The suite as a user of Galaxy sees it, by clicks in Chromium, from an empty history to the report.

Screenshots go to artefacts/. The tests stand in the order of the way: each goes on in the history that the one
before left.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError, expect, sync_playwright  # noqa: A004  the name that Playwright gives

from support.galaxy_api import Session

pytestmark = [pytest.mark.galaxy, pytest.mark.browser]
ROOT = Path(__file__).parents[2]
DATA = ROOT / "test-data"
SHOTS = ROOT / "artefacts"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
STUDIES = ("SDY9901", "SDY9903")
FILES = [path for study in STUDIES for path in sorted((DATA / study).rglob("*.fcs"))]
PACKAGES = [DATA / study / f"{study}-DR99_Tab.zip" for study in STUDIES]
WORKFLOW = ROOT / "workflows" / "cross-study-meta-analysis" / "cross-study-meta-analysis.gxwf.yml"
HISTORY = "Age and T cells"
TITLE = "Age in two simulated studies"
SECONDS = 1000


@pytest.fixture(scope="module")
def page(galaxy, chromium):
    """A page of the user with a new history."""
    SHOTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(90 * SECONDS)
        expect.set_options(timeout=90 * SECONDS)
        page.goto(f"{galaxy.url}/history/set_as_current?id={Session(galaxy, HISTORY).history}")
        page.goto(galaxy.url, wait_until="domcontentloaded")
        expect(page.get_by_role("button", name=HISTORY).first).to_be_visible()
        yield page
        browser.close()


def items(page, state: str = ""):
    """Entries of the history."""
    return page.locator(".history-index .content-item" + (f'[data-state="{state}"]' if state else ""))


def search_history(page, text: str) -> None:
    page.get_by_placeholder("search datasets").fill(text)


def search_tools(page, text: str) -> None:
    box = page.get_by_placeholder("search tools")
    try:
        box.wait_for(state="visible", timeout=10 * SECONDS)
    except TimeoutError:  # the panel is closed, as after a workflow
        page.locator("#activity-tools").click()
    box.fill(text)


def photograph(page, name: str) -> None:
    page.mouse.move(750, 990)  # no tooltip of what was clicked
    page.wait_for_timeout(700)
    page.screenshot(path=SHOTS / f"galaxy-{name}.png")


def test_files_are_uploaded_from_the_computer(page):
    page.locator("#activity-upload").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#btn-local").click()
    chooser.value.set_files([*FILES, *PACKAGES, DATA / "definitions.tsv"])
    expect(page.locator("#btn-start:visible")).to_be_enabled()
    photograph(page, "upload")
    page.locator("#btn-start:visible").click()
    page.locator("#btn-close:visible").click()
    expect(items(page, "ok")).to_have_count(len(FILES) + len(PACKAGES) + 1)


@pytest.mark.parametrize(("query", "name", "number"), [("fcs", "FCS files", 14), ("Tab.zip", "ImmPort packages", 2)])
def test_lists_are_built_with_the_settings_of_the_form(page, query, name, number):
    search_history(page, query)
    expect(items(page)).to_have_count(number)
    page.get_by_role("button", name="Select Items").first.click()
    page.get_by_text("Select All").first.click()
    page.get_by_role("button", name=f"All {number} selected").first.click()
    page.get_by_role("menuitem", name="Auto Build List").click()
    page.get_by_placeholder("Enter a name for your new list").fill(name)
    photograph(page, f"list-{query.removesuffix('.zip').lower()}")
    page.get_by_role("button", name="Build", exact=True).click()
    expect(page.get_by_text("Collection created").first).to_be_visible()
    search_history(page, "")
    expect(page.locator(".history-index").get_by_text(f"a list with {number}").first).to_be_visible()


def test_a_tool_runs_from_its_form(page):
    search_tools(page, "FCS info")
    page.locator("a.tool-link, .toolTitle").filter(has_text="FCS info").first.click()
    form = page.locator("#center")
    expect(form.locator(".multiselect").filter(has_text="FCS files").first).to_be_visible()
    photograph(page, "form-fcs-info")
    form.get_by_role("button", name="Run Tool").first.click()
    made = items(page, "ok").filter(has_text=re.compile("FCS info on .*: page"))
    expect(made).to_have_count(1)
    made.get_by_role("link", name="View").or_(made.locator('[title="View"], .display-btn')).first.click()
    expect(frame_with(page, "FCS files").get_by_text("FCS3.1").first).to_be_visible()


def frame_with(page, title: str):
    """The frame that shows a page of ours, once it is there."""
    for _ in range(180):
        for frame in page.frames:
            if title in (frame.title() or "") and frame != page.main_frame:
                return frame
        page.wait_for_timeout(500)
    raise AssertionError([frame.title() for frame in page.frames])


def test_the_workflow_is_imported_and_run(page):
    page.locator("#activity-workflows").click()
    page.get_by_role("button", name="Import").or_(page.locator('[data-description="import workflow"]')).first.click()
    page.locator(".workflow-import-file-link").first.click()
    page.locator("input[type=file]").first.set_input_files(WORKFLOW)
    page.locator("#center").get_by_role("button", name="Import").first.click()
    page.locator('[id^="g-card-action-workflow-run-"]').first.click()
    form = page.locator("#center")
    for label, value in (("FCS files", "FCS files"), ("ImmPort packages", "ImmPort packages")):
        expect(form.locator(f'[data-label="{label}"] .multiselect').filter(has_text=value).first).to_be_visible()
    chooser = form.locator('[data-label="Population definitions"] .multiselect').first
    chooser.click()
    chooser.get_by_text("definitions.tsv").first.click()
    form.locator('[data-label="Model"] input').first.fill("age_years")
    form.locator('[data-label="Title of the report"] input').first.fill(TITLE)
    page.mouse.wheel(0, -3000)
    photograph(page, "workflow-form")
    form.get_by_role("button", name="Run Workflow").first.click()
    expect(page.get_by_text("Invocation").first).to_be_visible()
    expect(items(page, "ok").filter(has_text="Cytometry report")).to_have_count(1, timeout=600 * SECONDS)
    photograph(page, "invocation")


def test_the_report_opens_in_the_history(page):
    made = items(page, "ok").filter(has_text="Cytometry report")
    made.locator('[title="View"], .display-btn').first.click()
    frame = frame_with(page, TITLE)
    expect(frame.get_by_role("heading", name=TITLE)).to_be_visible()
    expect(frame.get_by_text("Naive CD4 T cells").first).to_be_attached()
    frame.wait_for_function("[...document.images].some((i) => i.naturalWidth > 50)")
    photograph(page, "report")
    frame.locator("figure img").first.scroll_into_view_if_needed()
    photograph(page, "report-figure")


def test_the_tool_panel_shows_the_suite(page, server_module):
    search_tools(page, "")
    panel = page.locator(".toolbox-panel, #toolbox-panel, .toolMenuContainer").first
    for label, _ in server_module.SECTIONS:
        expect(panel.get_by_text(label, exact=True).first).to_be_visible()
    panel.get_by_text("Clustering", exact=True).first.click()
    expect(panel.get_by_text("cluster the events of each study and panel")).to_be_visible()
    panel.get_by_text("Populations", exact=True).first.click()
    expect(panel.get_by_text("count the events of populations that are given by their gates")).to_be_visible()
    photograph(page, "tool-panel")


@pytest.mark.parametrize(
    ("tool", "texts"),
    [
        ("cluster_flowsom", ["Preprocessed FCS files", "Number of metaclusters"]),
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
        # menus that are closed hold the names of datasets, which may say the same
        expect(form.get_by_text(text, exact=False).locator("visible=true").first).to_be_visible()
    expect(form.get_by_text("What it does").first).to_be_attached()
    photograph(page, f"form-{tool.replace('_', '-')}")


def test_the_workflow_opens_in_the_editor(page, galaxy):
    made = galaxy.call("POST", f"/api/workflows?key={galaxy.user_key}", {"from_path": str(WORKFLOW)})
    assert made["name"].startswith("Cytometry across ImmPort studies")
    page.goto(f"{galaxy.url}/workflows/edit?id={made['id']}", wait_until="domcontentloaded")
    for text in ("Link FCS files to ImmPort", "FlowSOM", "Pooled effects", "Cytometry report"):
        expect(page.locator(".workflow-node, .node-title, #canvas-container").get_by_text(text).first).to_be_attached()
    photograph(page, "workflow-editor")
    # a dialog would name parameters that the file leaves open
    expect(page.get_by_text("Issues loading this workflow")).not_to_be_visible()
