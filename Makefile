.POSIX:
.PHONY: simulate fuzz help try setup test test-portable test-middleware test-races check bench demo example long model chaos secrets up down logs

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

try: ## set up, generate an example data set, analyse it
	@sh scripts/try.sh

setup: ## make .venv with the project and its tools
	@sh scripts/setup.sh

test: ## what CI runs: the checks, then the tests with coverage
	@sh scripts/test.sh

test-portable: setup ## the whole suite with the native scanner and kernels switched off
	@sh scripts/programs.sh
	@sh scripts/portable.sh

test-middleware: setup ## the transport suite, in memory and against a RabbitMQ of its own
	@sh scripts/programs.sh
	@.venv/bin/python -m pytest tests/transport

test-races: setup ## the tests of actors with threads switched at random, beside busy processes; RACES_SEED, RACES_TESTS
	@sh scripts/races.sh "$${RACES_SEED:-1}" $${RACES_TESTS:-tests/unit}

check: setup ## style, types, import rules, scripts, container files
	@sh scripts/check.sh

bench: setup ## against DuckDB, Polars, pandas (PySpark, Dask, Ray if installed) on the same files
	@.venv/bin/python benchmarks/compare.py

demo: setup ## three clients at once while tasks crash, in one process
	@.venv/bin/coffeeshop demo

example: setup ## several data sets at once, each checked against its own answers
	@.venv/bin/python examples/multiple_datasets.py

long: setup ## the tests that take minutes
	@sh scripts/programs.sh
	@.venv/bin/python -m pytest -m long --timeout 3600

model: setup ## the protocol's model in TLA+, its larger sizes as well
	@sh scripts/programs.sh
	@.venv/bin/python -m pytest -m 'long or not long' --timeout 3600 tests/spec

simulate: setup ## 100,000 simulated sessions; SEEDS
	@sh scripts/simulate.sh "$${SEEDS:-100000}"

chaos: ## 30 minutes of random faults under load; CHAOS_SECONDS, CHAOS_SEED, CHAOS_BROKERS=3
	@sh scripts/chaos.sh "$${CHAOS_SECONDS:-1800}" "$${CHAOS_SEED:-1}" --brokers "$${CHAOS_BROKERS:-1}" --patience "$${CHAOS_PATIENCE:-1}" --growth "$${CHAOS_GROWTH:-yes}"

fuzz: setup ## two minutes of fuzzing of the native scanner and kernels; FUZZ_SECONDS
	@sh scripts/programs.sh
	@.venv/bin/python -m tests.fuzz.run --seconds "$${FUZZ_SECONDS:-120}"

secrets: ## random credentials and folders for the containers
	@sh scripts/secrets.sh

up: ## start the containers; COMPOSE_PROFILES=staged adds a process per stage
	docker compose up --detach --build --wait
	@docker compose logs --no-log-prefix prepare

down: ## stop the containers; the broker keeps its data
	docker compose --profile staged --profile monitoring --profile client --profile token down

logs: ## follow the containers' logs
	docker compose --profile staged --profile monitoring logs --follow --tail 100
