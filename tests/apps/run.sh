#!/usr/bin/env bash
# Draws sysmond's MCP App in headless Chromium: tests/apps/run.sh build/sysmond [--html FILE]
#
# Needs npm and chromium.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$here/../.." && pwd)/build
into=$build/apps
"$here/../install/node.sh" "$build/node"

# Copied last, so that an interrupted installation starts again.
if ! cmp -s "$here/package.json" "$into/installed.json"; then
    echo "installing the browser driver into $into" >&2
    rm -rf "$into"
    mkdir -p "$into"
    cp "$here/package.json" "$into/"
    (cd "$into" && "$here/../install/retry.sh" npm install --no-audit --no-fund \
        --no-package-lock --loglevel=error >/dev/null)
    cp "$here/package.json" "$into/installed.json"
fi
exec "$build/node/bin/node" "$here/run.mjs" "$into" "$@"
