#!/usr/bin/env bash
# Builds one peer of the benchmark: build.sh NAME build/bench
#
# Everything goes into that folder, the program that the benchmark starts into its folder `servers`.
# A peer whose sources and pins have not changed since is left as it is: the stamp is written last.
set -euo pipefail

name=${1:?usage: build.sh NAME FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
install=$here/../../tests/install
mkdir -p "${2:?usage: build.sh NAME FOLDER}/servers/stripped"
into=$(cd "$2" && pwd)
program="$into/servers/$name"

# A server in Rust, from its own lock file.
build_rust() {
    "${CARGO:-cargo}" build --release --locked --manifest-path "$here/$name/Cargo.toml" \
        --target-dir "$into/cargo"
    ln -sf "$into/cargo/release/peer-$name" "$program"
    strip -o "$into/servers/stripped/$name" "$program"
}

build_node() {
    "$install/node.sh" "$into/../node"
    mkdir -p "$into/$name"
    cp "$here/$name"/{package.json,package-lock.json,server.mjs} "$into/$name/"
    (cd "$into/$name" && "$install/retry.sh" npm ci --no-audit --no-fund --loglevel=error)
    # exec: the benchmark reads the clock of the process that it has started.
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$into/../node/bin/node" \
        "$into/$name/server.mjs" >"$program"
    chmod +x "$program"
}

build_python() {
    "$install/venv.sh" "$into/$name" "$here/py/requirements-${name#py}.txt"
    printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$into/$name/bin/python" "$here/py/server.py" \
        >"$program"
    chmod +x "$program"
}

case $name in
    ts*) sources="$here/$name" build=build_node ;;
    py*) sources="$here/py" build=build_python ;;
    *) sources="$here/$name" build=build_rust ;;
esac
# Where the sources are counts too: the Python peers run from there.
stamp=$({ echo "$sources"; cat "$0" "$here/answers.rs"; find "$sources" -name target -prune -o \
    -type f -print | sort | xargs cat; } | cksum)
[ -e "$program" ] && [ "$(cat "$into/$name.stamp" 2>/dev/null)" = "$stamp" ] && exit 0

echo "building the peer $name" >&2
rm -f "$program"
# Not in an `if` or `||`, where set -e would not stop a build that fails half way.
$build >"$into/$name.log" 2>&1
echo "$stamp" >"$into/$name.stamp"
