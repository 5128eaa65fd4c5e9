#!/bin/sh
# The pinned dependencies against the database of known vulnerabilities. Fails when it has one of
# them, or has not heard of some; loudly does without when it cannot be reached at all.
# PIP_AUDIT names another program to ask with.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/.venv/bin:$PATH"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

code=0
"${PIP_AUDIT:-pip-audit}" --requirement constraints.txt --no-deps --disable-pip \
    --progress-spinner off --format json >"$work/report" 2>"$work/said" || code=$?

# count WORD: how often the report has it
count() { grep -o "\"$1\"" "$work/report" | wc -l; }
known=$(count vulns)
unknown=$(count skip_reason)

if [ "$code" = 0 ] && [ "$known" -gt 0 ] && [ "$unknown" = 0 ]; then
    echo "audit: no known vulnerability in $((known)) packages"
    exit 0
fi

away='ConnectionError|ProxyError|SSLError|Timeout|Could not connect|5[0-9][0-9] Server Error'
if [ "$known" = 0 ] && { [ "$unknown" -gt 0 ] || grep -qE "$away" "$work/said"; }; then
    echo "****************************************************************" >&2
    echo "* DEPENDENCIES NOT AUDITED: the vulnerability database does not answer" >&2
    echo "****************************************************************" >&2
    exit 0
fi

echo "audit: failed" >&2
[ ! -s "$work/report" ] || python -m json.tool "$work/report" >&2
tail -n 20 "$work/said" >&2
exit 1
