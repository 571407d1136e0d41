#!/usr/bin/env bash
# Install into a virtual environment, simulate three ImmPort studies with known truth, run the whole way.
# Usage: bash scripts/demo.sh [OUTPUT_FOLDER]      (default: demo)
. "$(dirname "$0")/env.sh"
"$VENV/bin/immport-cyto" study demo --resume --out "${1:-$ROOT/demo}"
