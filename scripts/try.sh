#!/bin/sh
# From a fresh clone to answers: sets up, generates an example data set and analyses it.
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh runtime

if [ ! -d .data/example ]; then
    echo "try: generating .data/example: 200,000 transactions, some seconds" >&2
    rm -rf .data/example.partial
    .venv/bin/coffeeshop generate --quiet .data/example.partial --transactions 200000
    mv .data/example.partial .data/example
fi
echo "try: coffeeshop submit example" >&2
.venv/bin/coffeeshop submit example --data-root .data "$@"
cat >&2 <<'END'

next:
  .venv/bin/coffeeshop serve --open        the same on a web page
  .venv/bin/coffeeshop submit my/folder    your own data
  .venv/bin/coffeeshop demo                three clients at once, tasks killed on purpose
END
