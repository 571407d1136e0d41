"""Run by planemo's Python, ``python shed_repositories.py TOOLS``: what the repositories of .shed.yml would hold.

Prints JSON, ``{name: {"files": [...], "findings": [...]}}``. The checks are those of ``planemo shed_lint`` that need no
tool shed.
"""

import json
import sys
from pathlib import Path

from galaxy.tool_util.lint import LintContext, LintLevel
from planemo import shed, shed_lint
from planemo.cli import PlanemoCliContext

CHECKS = ("lint_expansion", "lint_expected_files", "lint_repository_dependencies", "lint_shed_yaml", "lint_readme")


def main() -> None:
    found = {}

    def look(repository) -> int:
        lint = LintContext(LintLevel.SILENT)
        for name in CHECKS:
            lint.lint(name, getattr(shed_lint, name), repository)
        folder = Path(repository.path)
        found[repository.name] = {
            "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()),
            "findings": [str(one) for one in (*lint.error_messages, *lint.warn_messages)],
        }
        return 0

    shed.for_each_repository(PlanemoCliContext(), look, [sys.argv[1]], raw=False, recursive=False, fail_fast=True)
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
