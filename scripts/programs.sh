#!/bin/sh
# The programs that some tests start, where they can be had. Without one its tests skip, and fail in
# CI. Does nothing when all are there.
set -eu
cd "$(dirname "$0")/.."

# need PATH PACKAGE WHAT
need() {
    [ ! -e "$1" ] || return 0
    sh scripts/packages.sh "$2" || {
        echo "****************************************************************" >&2
        echo "* NO $2 HERE: $3 will be skipped, and fail in CI" >&2
        echo "* (Debian: apt install $2)" >&2
        echo "****************************************************************" >&2
    }
}

need /usr/lib/rabbitmq rabbitmq-server "the tests against a broker"
for program in curl jq make; do
    need "/usr/bin/$program" "$program" "the commands of the documents"
done
need /usr/bin/promtool prometheus "the tests of the alerts"
need /usr/bin/chromium chromium "the tests of the web page"
need /usr/bin/systemd-analyze systemd "the test of the systemd units"
need /usr/bin/java openjdk-17-jre-headless "the check of the model"
need /usr/bin/clang clang "the fuzzing of the native scanner"
if command -v clang >/dev/null 2>&1; then
    need "$(clang -print-resource-dir)/lib/linux" "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" \
        "the fuzzing of the native scanner"
fi
