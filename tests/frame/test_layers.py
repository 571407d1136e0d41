"""The way of the data is the order of the imports: a stage knows the stages before it, never those after it."""

import ast

import pytest

FRAME = {"_lazy", "exceptions", "files", "tables", "provenance", "progress"}
MAY_IMPORT = {
    "fcs": set(),
    "panel": {"fcs"},
    "immport": {"fcs", "panel"},
    "events": {"fcs", "panel"},
    "cluster": {"fcs", "panel", "events"},
    "population": {"fcs", "panel", "events"},
    "meta": set(),  # tables only
    "metacyto": {"fcs", "panel", "events", "cluster", "population", "meta"},
    "report": set(),  # tables only
    "simulate": {"fcs"},
    "study": {
        "fcs",
        "immport",
        "panel",
        "events",
        "cluster",
        "population",
        "meta",
        "metacyto",
        "report",
        "simulate",
    },
}


def imported(path) -> set[str]:
    """Parts of the package that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "immport_cyto":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("immport_cyto."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("immport_cyto.")}
    return found - {"__version__"}


@pytest.mark.parametrize("stage", MAY_IMPORT)
def test_a_stage_imports_only_what_is_before_it(root, stage):
    allowed = MAY_IMPORT[stage] | FRAME | {stage}
    wrong = {
        f"{path.name}: {name}"
        for path in (root / "lib" / "immport_cyto" / stage).rglob("*.py")
        for name in imported(path) - allowed
    }
    assert wrong == set()


def test_every_package_is_in_the_order(root):
    packages = {path.parent.name for path in (root / "lib" / "immport_cyto").glob("*/__init__.py")}
    assert packages == set(MAY_IMPORT) | {"cli", "tables"}
