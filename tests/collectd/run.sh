#!/usr/bin/env bash
# Runs the plugin in a real collectd: tests/collectd/run.sh ROOT MCP_SO [PART...]
#
# ROOT holds collectd-core, or is empty when it is installed. Clients come from build/clients.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
"$project/tests/clients/install.sh" "$project/build/clients"
# Keeps the source tree free of caches, and the clients from looking for a proxy.
export PYTHONDONTWRITEBYTECODE=1 NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
export PYTHONPATH="$project/tests/clients"
# The Python with the package websockets.
exec "$project/build/clients/venv-legacy/bin/python" "$here/run.py" "$project/build/clients" "$@"
