#!/usr/bin/env bash
# Installs the pinned clients into build/clients and Node.js into build/node, or does nothing when
# they are already there.
#
# Needs npm and python3. The stamp is written last and holds a hash of every pin, so an
# interrupted installation and a changed pin both start from an empty folder.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
retry=$here/../install/retry.sh
into=${1:?usage: install.sh FOLDER}
"$here/../install/node.sh" "$(dirname "$into")/node"
pins=("$here/package.json" "$here/requirements-modern.txt" "$here/requirements-legacy.txt" "$0")

# Lets `python3 -m venv` without ensurepip (Debian splits it off) fall back to virtualenv.
make_venv() {
    python3 -m venv "$1" >/dev/null 2>&1 && return
    rm -rf "$1"
    if [ ! -d "$into/virtualenv" ]; then
        "$retry" python3 -m pip install --quiet --disable-pip-version-check \
            --root-user-action=ignore --target "$into/virtualenv" virtualenv==21.15.7
    fi
    PYTHONPATH="$into/virtualenv" python3 -m virtualenv --quiet "$1"
}

install_python() {
    for era in modern legacy; do
        make_venv "$into/venv-$era"
        "$retry" "$into/venv-$era/bin/python" -m pip install --quiet --disable-pip-version-check \
            --requirement "$here/requirements-$era.txt"
    done
}

install_node() {
    cp "$here/package.json" "$into/"
    # The engine warnings speak of the machine's node; the clients run on build/node.
    (cd "$into" && "$retry" npm install --no-audit --no-fund --no-package-lock \
        --loglevel=error >/dev/null)
}

# The interpreter counts as a pin: a venv breaks when the python it points to goes away.
stamp=$({ cat "${pins[@]}"; python3 -c 'import sys; print(sys.version, sys.base_prefix)'; } |
    python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
[ "$(cat "$into/stamp" 2>/dev/null)" = "$stamp" ] && exit 0

echo "installing test clients into $into" >&2
rm -rf "$into"
mkdir -p "$into"
install_python
install_node
echo "$stamp" >"$into/stamp"
