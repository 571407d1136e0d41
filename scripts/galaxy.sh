#!/usr/bin/env bash
# Start a Galaxy with the tools of this checkout in its panel, for a person. Ctrl-C ends it.
# Usage: bash scripts/galaxy.sh [--port 8080] [--state FOLDER]
. "$(dirname "$0")/env.sh"
exec "$VENV/bin/python" "$ROOT/scripts/galaxy_server.py" serve "$@"
