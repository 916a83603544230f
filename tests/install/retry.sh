#!/bin/sh
# Runs a command that fetches something, again if it fails: retry.sh COMMAND...
#
# A registry has bad moments, and what an installer retries by itself is not all that can go wrong
# in them. The command has to be one that may be repeated. Its last status is that of the script.
set -u

for seconds in 2 10; do
    "$@" && exit 0
    echo "retry.sh: failed, once more in $seconds s: $*" >&2
    sleep "$seconds"
done
exec "$@"
