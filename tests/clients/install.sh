#!/usr/bin/env bash
# Installs the pinned clients into build/clients and Node.js into build/node, or does nothing when
# they are already there.
#
# Needs npm and python3. The stamp is written last and holds a hash of every pin, so an
# interrupted installation and a changed pin both start from an empty folder.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
install=$here/../install
into=${1:?usage: install.sh FOLDER}
"$install/node.sh" "$(dirname "$into")/node"
pins=("$here/package.json" "$here/requirements-modern.txt" "$here/requirements-legacy.txt" "$0")

install_python() {
    for era in modern legacy; do
        "$install/venv.sh" "$into/venv-$era" "$here/requirements-$era.txt"
    done
}

install_node() {
    cp "$here/package.json" "$into/"
    # The engine warnings speak of the machine's node; the clients run on build/node.
    (cd "$into" && "$install/retry.sh" npm install --no-audit --no-fund --no-package-lock \
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
