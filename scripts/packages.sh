#!/bin/sh
# packages.sh PACKAGE...  Installs Debian packages; fails, and says why, where that cannot be done.
# Starts none of the services in them and does not touch those that run.
set -eu

say() { echo "packages: $*" >&2; }

install() {
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >/dev/null
}

# Whether this machine lets a package start its service while it is set up.
starts_services() {
    answer=0
    "$policy" "$1" start >/dev/null 2>&1 || answer=$?
    [ "$answer" != 101 ]
}

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    say "cannot install $*: that takes root and apt-get"
    exit 1
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
elif starts_services "$1"; then
    say "does not install $*: $policy of this machine would start services"
    exit 1
fi

say "installing $*"
export DEBIAN_FRONTEND=noninteractive
# The lists of packages may be missing or old: then, and only then, they are fetched.
if ! install "$@" 2>/dev/null; then
    if ! { apt-get update -qq >/dev/null && install "$@"; }; then
        say "could not install $*"
        exit 1
    fi
fi
