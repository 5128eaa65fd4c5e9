#!/bin/sh
# The whole suite without the native scanner and kernels. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE
COFFEESHOP_NATIVE_SCANNER=off
export COFFEESHOP_NATIVE_SCANNER
exec .venv/bin/python -m pytest -n 2 --dist loadfile "$@"
