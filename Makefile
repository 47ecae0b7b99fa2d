# Every target sets up what it needs. `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help setup up demo test check format generate lock bench cluster cluster-down test-cluster session clean

BIN := .venv/bin
ARGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## create the virtual environment from requirements.lock
	@./tools/setup

up: setup ## run the whole platform on this machine (ARGS="--help" lists its options)
	@$(BIN)/celeriac up $(ARGS)

demo: setup ## show it: a video page becomes an MP3, a PDF becomes chunks, the pools go 0 -> n -> 0
	@$(BIN)/python -m tests.demo

test: setup check ## run every check and test that needs no cluster
	$(BIN)/python -m pytest --ignore=tests/cluster --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup ## check format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.chart --check

format: setup ## format, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: setup ## write values, schema, README and reference of the chart, from tools/chart/schema and the code
	$(BIN)/python -m tools.chart

COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header

lock: setup ## resolve requirements.lock from pyproject.toml, and from it those of the images
	$(COMPILE) --all-extras --group dev pyproject.toml -o requirements.lock
	$(COMPILE) --extra platform --extra pipelines --extra speech --extra operator --extra flower \
	  --constraint requirements.lock pyproject.toml -o requirements/image.lock
	$(COMPILE) --extra operator --constraint requirements.lock pyproject.toml -o requirements/operator.lock
	$(COMPILE) --group build --constraint requirements.lock -o requirements/build.lock
	$(COMPILE) --group audit -o requirements/audit.lock

bench: setup ## measure every figure in the README
	$(BIN)/python -m benchmarks $(ARGS)

cluster: ## boot a real Kubernetes for tests on this machine (Linux, root)
	@python3 -m tests.cluster.boot up

cluster-down: ## remove every trace of it
	@python3 -m tests.cluster.boot down

test-cluster: setup ## run the tests in a real Kubernetes: the one of $KUBECONFIG, or one that they boot
	$(BIN)/python -m pytest tests/cluster $(ARGS)

session: setup ## record docs/reference/operator-session.md in that cluster
	CELERIAC_SESSION_PAGE=docs/reference/operator-session.md $(BIN)/python -m pytest tests/cluster/pools/test_session.py $(ARGS)

clean: ## remove what setup and tests created
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
