#!/bin/sh
# Style, types and import rules. Runs all of them, fails if one failed.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/.venv/bin:$PATH"
failed=0
ruff check . || failed=1
ruff format --check . || failed=1
mypy --strict coffeeshop || failed=1
lint-imports || failed=1
exit $failed
