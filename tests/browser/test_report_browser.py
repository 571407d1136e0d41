"""The report in a real browser: it opens without the network, sorts, filters and downloads."""

import pandas as pd
import pytest
from playwright.sync_api import Page, sync_playwright

from immport_cyto import report
from support.report_tables import HOSTILE, more

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "report.html"
    truth = pd.DataFrame({"population": ["B cell"], "term": ["age_years"], "effect": [-0.02]})
    provenance = {"repeat": f"immport-cyto study run {HOSTILE}", "parameters": {"title": HOSTILE}}
    report.build(
        path, title="Three studies", warnings=["a guess", f"{HOSTILE} {'long ' * 80}"], truth=truth,
        provenance=provenance, **more(),
    )  # fmt: skip
    seen: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (seen.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: seen.append(f"request: {request.url[:60]}"))
        page.goto(path.as_uri())
        yield page, seen
        browser.close()


def column(page: Page, table: str, number: int) -> list[str]:
    cells = page.locator(f"#{table} tbody tr:not([hidden]) td:nth-child({number})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_opens_without_network_script_or_error(opened):
    page, seen = opened
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    # not wait_for_function: its polling is eval, which the page forbids
    page.evaluate("Promise.all([...document.images].map((i) => { i.loading = 'eager'; return i.decode(); }))")
    assert page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 50)")
    assert page.evaluate("document.images.length") >= 60
    outside = [entry for entry in seen if not entry.startswith(("request: data:", "request: file:"))]
    assert outside == []
    assert page.title() == "Three studies"


def test_a_click_on_a_heading_sorts_by_number(opened):
    page, _ = opened
    button = page.locator("#samples-tsv th button", has_text="age_years")
    position = page.locator("#samples-tsv thead th").all_inner_texts().index("age_years") + 1
    button.click()
    ages = [float(cell) for cell in column(page, "samples-tsv", position)]
    assert ages == sorted(ages)
    button.click()
    assert [float(cell) for cell in column(page, "samples-tsv", position)] == sorted(ages, reverse=True)


def test_the_keyboard_sorts_too(opened):
    page, _ = opened
    head = page.locator("#populations-tsv thead th").first
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"


def test_the_filter_keeps_the_rows_that_match(opened):
    page, _ = opened
    page.locator('input[data-filter="samples-tsv"]').fill("SDY2_")
    names = column(page, "samples-tsv", 1)
    assert len(names) == 8
    assert all(name.startswith("SDY2_") for name in names)
    assert "8 of the 24 rows" in page.locator('[data-count="samples-tsv"]').inner_text()
    page.locator('input[data-filter="samples-tsv"]').fill("")
    assert len(column(page, "samples-tsv", 1)) == 24


def test_a_download_is_the_table(opened, tmp_path):
    page, _ = opened
    with page.expect_download() as waiting:
        page.locator('a.download[download="meta.tsv"]').click()
    waiting.value.save_as(tmp_path / "meta.tsv")
    frame = pd.read_csv(tmp_path / "meta.tsv", sep="\t", quoting=3)
    assert len(frame) == 12
    assert waiting.value.suggested_filename == "meta.tsv"


def test_nothing_is_wider_than_a_phone_and_figures_keep_their_size(opened):
    page, _ = opened
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    image = page.locator("#pooled figure img").first
    assert image.evaluate("(i) => i.clientWidth") == image.evaluate("(i) => Number(i.getAttribute('width'))") > 600
    assert image.evaluate("(i) => i.parentElement.scrollWidth > i.parentElement.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 900})


def test_every_section_is_in_the_list_and_shows_what_it_says(opened):
    page, _ = opened
    linked = page.locator("nav a").evaluate_all("(links) => links.map((link) => link.getAttribute('href').slice(1))")
    sections = page.locator("main > section").evaluate_all("(parts) => parts.map((part) => part.id)")
    assert linked == sections
    with_figures = {"pooled", "moderators", "subgroups", "cumulative", "asymmetry", "panels", "quality", "densities",
                    "cutoffs", "clusters", "drift", "populations", "batches", "reference"}  # fmt: skip
    drawn = set(page.locator("main > section:has(figure)").evaluate_all("(parts) => parts.map((part) => part.id)"))
    assert with_figures <= drawn
    assert {"power", "annotations", "effects", "studies", "warnings", "provenance"} <= set(sections)


def test_the_keyboard_reaches_the_results_and_sees_where_it_is(opened):
    page, _ = opened
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#summary"
    page.keyboard.press("Tab")
    focused = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"{focused}.outlineStyle") == "solid"
    assert page.evaluate(f"parseFloat({focused}.outlineWidth)") >= 2


def test_long_notes_are_folded_and_hostile_ones_are_text(opened):
    page, _ = opened
    note = page.locator("#warnings .notes details")
    assert note.count() == 1
    note.locator("summary").focus()
    page.keyboard.press("Enter")
    assert HOSTILE in note.inner_text()
    assert HOSTILE in page.locator("#provenance pre").first.inner_text()
    assert page.evaluate("document.scripts.length") == 1


def test_the_printed_page_shows_no_controls_and_fits(opened):
    page, _ = opened
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("a.download").first.is_visible()
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 with margins of 12 mm
    wide = page.evaluate("[...document.images].filter((i) => i.offsetParent && i.clientWidth > 703).length")
    assert wide == 0
    rows = page.locator("#populations-tsv tbody tr")
    assert rows.nth(29).is_visible()
    assert not rows.nth(30).is_visible()
    assert "The first 30 of 72 rows are printed" in page.locator("#populations .cut").inner_text()
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1280, "height": 900})


CONTRAST = """() => {
  const light = (text) => {
    const parts = text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255);
    const [r, g, b] = parts.map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!colour.endsWith(", 0)") && colour !== "transparent") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const nodes = document.querySelectorAll("h1, h2, h3, p, li, a, dt, dd, td, th button, label, figcaption, pre, input");
  return Math.min(...[...nodes].filter((node) => node.offsetParent).map((node) => {
    const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_read_well_in_both_colour_schemes_and_figures_stay_on_white(opened, scheme):
    page, _ = opened
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate(CONTRAST) >= 4.5  # WCAG AA
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(part) for part in ground[4:-1].split(",")) < 150) == (scheme == "dark")
    image = "getComputedStyle(document.images[0])"
    wanted = "rgb(255, 255, 255)" if scheme == "dark" else "rgba(0, 0, 0, 0)"
    assert page.evaluate(f"{image}.backgroundColor") == wanted
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.emulate_media(media="screen", color_scheme="light")
