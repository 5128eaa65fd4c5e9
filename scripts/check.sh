#!/bin/sh
# Style, types, import rules, scripts, container files, manifests, known vulnerabilities. Runs all of them, fails if one failed.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH="$PWD/.venv/bin:$PATH"
failed=0
ruff check . || failed=1
ruff format --check . || failed=1
mypy --strict coffeeshop examples || failed=1
lint-imports || failed=1
shellcheck scripts/*.sh .ci/run || failed=1
hadolint Dockerfile || failed=1
check-jsonschema --builtin-schema vendor.compose-spec compose.yaml || failed=1
sh scripts/audit.sh || failed=1
sh scripts/checkov.sh || failed=1
exit $failed
