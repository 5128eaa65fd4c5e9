#!/bin/sh
# From a fresh clone to answers: sets up, generates an example data set and analyses it.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh

if [ ! -d .data/example ]; then
    rm -rf .data/example.partial
    .venv/bin/coffeeshop generate .data/example.partial --transactions 200000
    mv .data/example.partial .data/example
fi
exec .venv/bin/coffeeshop submit --data-folder example --data-root .data "$@"
