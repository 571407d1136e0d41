#!/usr/bin/env bash
# Install into a virtual environment and run all tests: lint, types, unit, reference, browser, Galaxy.
# What the machine lacks skips, saying so; IMMPORT_CYTO_REQUIRE=galaxy,browser,shared makes that a failure.
. "$(dirname "$0")/env.sh" test
cd "$ROOT"
"$VENV/bin/ruff" check .
"$VENV/bin/ruff" format --check .
"$VENV/bin/mypy"
"$VENV/bin/python" -m pytest -n 2 --dist loadgroup --ignore tests/galaxy
"$VENV/bin/python" -m pytest tests/galaxy
