#!/bin/sh
# Puts the Debian packages that the host tests need, and that the machine lacks, into a folder of
# the project: packages.sh build/hosts/root
#
# Nothing is installed into the system, no maintainer script runs and no service starts. Packages
# that the system has already are used from there. Needs apt but not root. A second run ends at
# once: the stamp is written last, so an interrupted one starts from an empty folder.
set -eu

PACKAGES="libmicrohttpd-dev libcivetweb-dev libevent-dev libssl-dev openssl
collectd-core collectd-dev nginx lighttpd haproxy"

root=${1:?usage: packages.sh FOLDER}
apt_options="-qq -o APT::Sandbox::User=$(id -un) -o Acquire::Retries=5"

# Runs apt-get with settings that leave the system alone.
apt() {
    # shellcheck disable=SC2086 # The options are words.
    apt-get $apt_options "$@"
}

# Lists the packages that are missing, with everything they depend on; an upgrade, which apt shows
# with the old version in brackets, is none of our business.
missing() {
    # shellcheck disable=SC2086
    simulated=$(apt install --simulate --no-upgrade --no-install-recommends $PACKAGES) || return 1
    printf '%s\n' "$simulated" | awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }'
}

download() {
    list=$(missing) || return 1
    [ -z "$list" ] && return 0
    # shellcheck disable=SC2086
    (cd "$root/debs" && apt download $list)
}

# Without lists, or with old ones, apt finds nothing: fetches fresh ones into the folder.
update_lists() {
    mkdir -p "$root/apt/lists/partial" "$root/apt/cache/archives/partial"
    apt_options="$apt_options -o Dir::State::lists=$root/apt/lists -o Dir::Cache=$root/apt/cache"
    apt update
}

# A -dev package links to its library by a name in its own folder. When the library is in the
# system, the link leads nowhere until it is told so.
mend_links() {
    find "$root/usr/lib" -type l 2>/dev/null | while read -r link; do
        [ -e "$link" ] && continue
        folder=${link#"$root"}
        target="$(dirname "$folder")/$(basename "$(readlink "$link")")"
        if [ -e "$target" ]; then ln -sf "$target" "$link"; fi
    done
}

# Fails when a library that the tests link with is in neither place.
check_libraries() {
    for library in microhttpd civetweb event event_core event_extra event_pthreads event_openssl \
        ssl crypto; do
        for file in "$root"/usr/lib/*/lib$library.so /usr/lib/*/lib$library.so; do
            [ -e "$file" ] && continue 2
        done
        echo "packages.sh: lib$library.so is neither in $root nor in the system" >&2
        exit 1
    done
}

stamp="$(cksum <"$0") $(cat /etc/os-release 2>/dev/null | cksum)"
[ "$(cat "$root/stamp" 2>/dev/null)" = "$stamp" ] && exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "packages.sh: the host tests need apt-get and dpkg-deb (Debian or Ubuntu) to fetch" >&2
    echo "$PACKAGES" >&2
    exit 1
fi

rm -rf "$root"
mkdir -p "$root/debs"
root=$(cd "$root" && pwd)
echo "fetching packages for the host tests into $root" >&2
download 2>"$root/first-try" || { update_lists && download; } || {
    cat "$root/first-try" >&2
    echo "packages.sh: apt cannot fetch $PACKAGES" >&2
    exit 1
}
for package in "$root"/debs/*.deb; do
    if [ -e "$package" ]; then dpkg-deb -x "$package" "$root"; fi
done
mend_links
check_libraries
rm -rf "$root/debs" "$root/apt" "$root/first-try"
echo "$stamp" >"$root/stamp"
