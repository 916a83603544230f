#!/bin/sh
# Installs Debian packages into the system: apt.sh [OPTION...] PACKAGE... Needs root.
set -eu

retry=$(dirname "$0")/retry.sh
"$retry" apt-get update -qq
"$retry" apt-get install -y -qq "$@"
