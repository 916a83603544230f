#!/usr/bin/env bash
# Runs real MCP clients against both servers:
# tests/clients/run.sh build/sysmond build/conformance-host [NAME...]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$here/../.." && pwd)/build
"$here/install.sh" "$build/clients"
"${CARGO:-cargo}" build --quiet --locked --manifest-path "$here/rmcp/Cargo.toml" \
    --target-dir "$build/rmcp-client"
# Keeps the source tree free of caches.
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/run.py" "$build/clients" "$build/rmcp-client/debug/emcp-rmcp-client" "$@"
