#!/bin/sh
# Makes a Python environment with what a file of requirements names: venv.sh FOLDER REQUIREMENTS
set -eu

into=${1:?usage: venv.sh FOLDER REQUIREMENTS}
requirements=${2:?usage: venv.sh FOLDER REQUIREMENTS}
retry=$(dirname "$0")/retry.sh
rm -rf "$into"
# Debian splits ensurepip off, which venv needs; virtualenv does without.
if ! python3 -m venv "$into" >/dev/null 2>&1; then
    rm -rf "$into" "$into.virtualenv"
    "$retry" python3 -m pip install --quiet --disable-pip-version-check \
        --root-user-action=ignore --target "$into.virtualenv" virtualenv==21.15.7
    PYTHONPATH="$into.virtualenv" python3 -m virtualenv --quiet "$into"
fi
"$retry" "$into/bin/python" -m pip install --quiet --disable-pip-version-check \
    --requirement "$requirements"
