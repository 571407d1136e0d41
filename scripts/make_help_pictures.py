"""Make the pictures in the help of the Galaxy tools from simulated studies, with the figures of the library.

``python scripts/make_help_pictures.py [OUT]``   (OUT: tools/static/images; the same version of matplotlib gives the
same bytes). Chromium takes the picture of the report; without it this one is left as it is.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from help_pictures import answers, cells, files
from help_pictures.demo import ROOT, Demo
from matplotlib.figure import Figure
from PIL import Image

from immport_cyto.report.figures._style import style

WIDTH = 840  # pixels at most; Galaxy's help is about as wide
COLOURS = 96
CHROMIUM = "/usr/bin/chromium"

PICTURES: dict[str, Callable[[Demo], Figure | Image.Image]] = {
    "info": files.info,
    "link": files.link,
    "load": files.load,
    "panels": files.panels,
    "convert": files.convert,
    "deidentify": files.deidentify,
    "merged": files.merged,
    "sample": files.sample,
    "split": files.split,
    "domains": files.domains,
    "results": files.results,
    "reagents": files.reagents,
    "studies": files.studies,
    "template": files.template,
    "validate": files.validate,
    "privacy": files.privacy,
    "explain": files.explain,
    "rename": files.rename,
    "simulated": files.simulated,
    "quality": cells.quality,
    "spillover": cells.spillover,
    "transforms": cells.transforms,
    "gates": cells.gates,
    "heatmap": cells.heatmap,
    "stars": cells.stars,
    "flock": cells.flock,
    "map": cells.map_,
    "compare": cells.compare,
    "extract": cells.extract,
    "match": cells.match,
    "merge": cells.merge,
    "search": cells.search,
    "export": cells.export,
    "metacyto": cells.metacyto,
    "cutoffs": answers.cutoffs,
    "label": answers.label,
    "annotate": answers.annotate,
    "summary": answers.summary,
    "effects": answers.effects,
    "forest": answers.forest,
    "batches": answers.batches,
    "regression": answers.regression,
    "subgroups": answers.subgroups,
    "cumulative": answers.cumulative,
    "funnel": answers.funnel,
    "power": answers.power,
    "reference": answers.reference,
    "place": answers.place,
    "density": answers.density,
    "scatter": answers.scatter,
    "overview": answers.overview,
    "embedding": answers.embedding,
    "space": answers.space,
    "parallel": answers.parallel,
    "boxes": answers.boxes,
    "abundances": answers.abundances,
    "exported": answers.exported,
    "imported": answers.imported,
}

UPPER = {"quality": 0.613}  # the part that is shown


def save(image: Image.Image, path: Path, colours: int = COLOURS) -> None:
    """Write a PNG of few colours, not wider than the help."""
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)


def drawn(figure: Figure | Image.Image, upper: float = 1.0) -> Image.Image:
    """A figure as an image, or its upper part."""
    if isinstance(figure, Image.Image):
        return figure
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=min(100.0, WIDTH / figure.get_figwidth()), facecolor="white")
    image = Image.open(buffer)
    return image.crop((0, 0, image.width, round(image.height * upper)))


def photograph(page: Path, path: Path) -> None:
    """The upper part of a page, as a browser shows it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1180, "height": 1010})
        view.goto(page.as_uri())
        save(Image.open(io.BytesIO(view.screenshot())), path, 24)
        browser.close()


def main(out: Path, only: list[str]) -> None:
    """Make all pictures, or some."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        demo = Demo(Path(work))
        demo.run()
        for name, draw in PICTURES.items():
            if not only or name in only:
                save(drawn(draw(demo), UPPER.get(name, 1.0)), out / f"{name}.png")
        if Path(CHROMIUM).is_file() and (not only or "report" in only):
            photograph(demo.work / "run" / "report.html", out / "report.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tools" / "static" / "images", sys.argv[2:])
