.PHONY: up down test check bench faults kafka
.DEFAULT_GOAL := up

up:
	@python3 app/install/install.py
	@exec .venv/bin/twin up

down:
	@.venv/bin/twin down

test: check
	@.venv/bin/python -m pytest

check:
	@python3 app/install/install.py --tests
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

bench:
	@python3 app/install/install.py --tests --peers
	@.venv/bin/twin bench all --page docs/benchmarks.md

bench-%:
	@python3 app/install/install.py --tests --peers
	@.venv/bin/twin bench $* --page docs/benchmarks.md

kafka:
	@python3 tests/layers/live/fetch_kafka.py

faults:
	@python3 app/install/install.py --tests
	@.venv/bin/python -m pytest tests/faults --long
