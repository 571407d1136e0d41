# Sourced by the other scripts: makes the virtual environment and installs the working copy into it.
# Usage: . scripts/env.sh [EXTRA]     PYTHON chooses the interpreter, IMMPORT_CYTO_VENV the folder.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
EXTRA=${1:-}
VENV=${IMMPORT_CYTO_VENV:-$ROOT/.venv}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if command -v "$candidate" > /dev/null &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed; set PYTHON to its path." >&2
    exit 1
}

if [ ! -x "$VENV/bin/python" ] || ! "$VENV/bin/python" -m pip --version > /dev/null 2>&1; then
    PY=$(find_python)
    "$PY" -m venv "$VENV" || {
        echo "Could not make a virtual environment; on Debian: apt-get install python3-venv" >&2
        exit 1
    }
fi
echo "installing immport-cyto into $VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
    -c "$ROOT/requirements/constraints.txt" -e "$ROOT${EXTRA:+[$EXTRA]}"
