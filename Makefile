# Shortcuts for developers; operators need only ./start_mm_bot.sh and ./run_tests.sh.
.PHONY: install format lint types test e2e bench soak false-alarms lock

install:
	scripts/setup_venv.sh dev

format:
	.venv/bin/ruff check --fix . && .venv/bin/ruff format .

lint:
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/lint-imports && shellcheck ./*.sh scripts/*.sh .ci/run

types:
	.venv/bin/mypy

test:
	./run_tests.sh

e2e:
	.venv/bin/pytest tests/e2e

bench:
	.venv/bin/python -m tests.bench

# Random sessions on the bundled venue, audited after every block; tests/bench/soak.py has options.
soak:
	.venv/bin/python -m tests.bench.soak

# Every rule of the guard over every recording of ../shared/market-data: how often, for how long.
false-alarms:
	.venv/bin/python -m tests.bench.alarms

# The lock files: every package by version and hash, no addresses. Dev holds the runtime pins and more.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 \
		--extra dev --constraint requirements.lock pyproject.toml --output-file requirements-dev.lock
