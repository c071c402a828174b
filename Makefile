# The project's commands. `make help` lists them.
PYTHON ?= python3
PORT ?= 3000
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run ui test fuzz audit campaign bench opensearch report clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/run.done ## the main job: the sample's two weeks, or with GITHUB_TOKEN and REPO set the last HOURS_BACK hours of that repository
	@$(BIN)/ci-metrics upload

ui: .venv/run.done ## Dagster's UI on the data just made, with its history
	@$(BIN)/ci-metrics ui --port $(PORT)

report: .venv/run.done ## the HTML report on the data just made
	@$(BIN)/ci-metrics report

test: .venv/dev.done ## lint, types, import rules, all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

fuzz: .venv/dev.done ## look for counterexamples to what holds for any log and any answer: 100,000 of each (FUZZ_EXAMPLES=…)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-100000} $(BIN)/pytest -n auto --maxprocesses 4 --timeout 0 ci_metrics_tests/properties

audit: .venv/dev.done ## known holes in the locked packages, where the database of them can be reached
	@$(BIN)/python scripts/audit.py

campaign: .venv/dev.done ## every fault of the campaign, some ten minutes; writes docs/reliability.md (`make test` tries a part)
	$(BIN)/python -m tools.reliability

bench: .venv/dev.done ## all that people wait for, beside what was set out to reach: an hour and a half (BENCH_ARGS=--short: some minutes)
	@$(BIN)/python -m bench $(BENCH_ARGS)

opensearch: .venv/dev.done ## a real OpenSearch server on this machine, from Maven artifacts (needs Java 17 or newer, and Maven)
	@deploy/opensearch/start.sh --port 9200

.venv/run.done: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked packages into .venv (about a minute) ..."
	@$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qqq --no-deps --no-build-isolation -e . 2>/dev/null
	@touch $@

.venv/dev.done: .venv/run.done requirements-dev.lock
	@echo "Installing the locked development packages into .venv ..."
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-dev.lock
	@touch $@

clean: ## remove what the commands above installed (not your data)
	rm -rf .venv .opensearch
