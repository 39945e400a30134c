# Needs make and Python 3.11 or newer; all else is installed into .venv, checked against the lock files' hashes.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
CODE := pipeline agents schemas tests

# The first Python that is new enough; PYTHON=.. names another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)

.PHONY: help
help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/run.stamp ## Run everything with synthetic traffic and a live leaderboard
	@$(BIN)/clout up --demo

.PHONY: test
test: lint type schemas ## Run every check and every test
	@$(BIN)/pytest --numprocesses 3

.PHONY: lint
lint: $(VENV)/dev.stamp ## Check style, import contracts, Dockerfile and compose file
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/lint-imports
	@$(BIN)/hadolint deploy/Dockerfile
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

.PHONY: type
type: $(VENV)/dev.stamp ## Check types
	@$(BIN)/mypy

.PHONY: schemas
schemas: $(VENV)/dev.stamp ## Check that the generated schemas are up to date
	@$(BIN)/python -m schemas.generate --check

.PHONY: format
format: $(VENV)/dev.stamp ## Format the code and write the generated schemas
	@$(BIN)/ruff check --fix --quiet $(CODE) || true
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/python -m schemas.generate

.PHONY: bench
bench: $(VENV)/dev.stamp ## Measure throughput and freshness; writes build/bench.json
	@$(BIN)/python -m tests.bench

.PHONY: chaos
chaos: $(VENV)/dev.stamp ## Kill, freeze and restart everything under load; takes an hour
	@$(BIN)/pytest tests/chaos -m "chaos or not chaos"
	@$(BIN)/pytest tests/integration -m chaos

MINUTES ?= 60
.PHONY: soak
soak: $(VENV)/dev.stamp ## Traffic and faults for MINUTES=60: nothing may grow
	@$(BIN)/python -m tests.chaos.soak $(MINUTES)

SEEDS ?= 10
.PHONY: seeds
seeds: $(VENV)/dev.stamp ## Kill workers at random moments with SEEDS=10 seeds in a row, a quarter of an hour each
	@for seed in $$(seq $(SEEDS)); do echo "seed $$seed of $(SEEDS)"; \
		NEMESIS_SEED=$$seed $(BIN)/pytest tests/chaos -q -m chaos -k "twenty_times or for_long or many_crashes" || exit 1; done

.PHONY: validity
validity: $(VENV)/dev.stamp ## Measure what the score is worth; writes build/validity.json
	@$(BIN)/python -m tests.validity $(if $(DATA),--data $(DATA)) $(if $(CUTOFFS),--cutoffs $(CUTOFFS))

.PHONY: lock
lock: ## Write the lock files anew from pyproject.toml
	@$(PYTHON) -m venv build/lock && build/lock/bin/python -m pip install --quiet uv
	@$(LOCK) --extra parquet --group dev -o requirements-dev.lock
	@$(LOCK) --constraint requirements-dev.lock -o requirements.lock

# The newest version that fits, for every platform, with hashes and without addresses.
LOCK := build/lock/bin/uv pip compile pyproject.toml --extra embedded --group build --universal --python-version 3.11 \
	--generate-hashes --upgrade --quiet --no-emit-index-url --no-emit-find-links --no-annotate \
	--custom-compile-command "make lock"

.PHONY: clean
clean: ## Remove all that was made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/run.stamp: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the pipeline needs into $(VENV) .."
	@$(INSTALL) -r requirements.lock
	@$(INSTALL_PROJECT)
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing what the pipeline and its tests need into $(VENV) .."
	@$(INSTALL) -r requirements-dev.lock
	@$(INSTALL_PROJECT)
	@touch $@ $(VENV)/run.stamp

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
INSTALL_PROJECT := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed, and none was found: install it, or run make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
