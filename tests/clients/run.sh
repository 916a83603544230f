#!/usr/bin/env bash
# Runs real MCP clients against a sysmond binary: tests/clients/run.sh build/sysmond [NAME...]
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
clients=$(cd "$here/../.." && pwd)/build/clients
"$here/install.sh" "$clients"
# Keeps the source tree free of caches.
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/run.py" "$clients" "$@"
