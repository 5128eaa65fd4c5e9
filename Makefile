.POSIX:
.PHONY: setup try test test-middleware check bench demo long

try:
	@sh scripts/try.sh

setup:
	@sh scripts/setup.sh

test:
	@sh scripts/test.sh

test-middleware: setup
	@.venv/bin/python -m pytest tests/transport

check: setup
	@sh scripts/check.sh

bench: setup
	@.venv/bin/python benchmarks/compare.py

demo: setup
	@.venv/bin/coffeeshop demo

long: setup
	@.venv/bin/python -m pytest -m long --timeout 3600
