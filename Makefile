# Every target sets up .venv first, when it is missing, stale or broken. `make help` lists them.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

# Threads that spin while they wait slow down everything beside them.
export OMP_WAIT_POLICY := PASSIVE
# The tests start some hundred processes, each of which would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test peers lint docs web bench benchmarks coverage lock release clean rebuild

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-12s%s\n", $$1, $$2}' Makefile

demo: $(STAMP) ## Show what re-ranking does (ARGS="--data complete-journey" for groceries)
	@$(BIN)/tailrank demo $(ARGS)

test: $(STAMP) ## Run the tests and the examples in docstrings (ARGS="-k whitening" for some of them)
	@tools/system-parts
	@$(BIN)/python -m pytest --quiet --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS) -m 'not slow'
	@$(BIN)/python -m pytest --quiet $(ARGS) -m slow || test $$? = 5 # what reads the clock, alone; 5: no such test

peers: .venv-peers/.ready ## Run the tests of the peers, in .venv-peers: RecTools needs older packages
	@.venv-peers/bin/python -m pytest --quiet peers $(ARGS)

lint: $(STAMP) ## Check style, types and layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

docs: $(STAMP) ## Build the site of the documentation in build/site, and check its links
	@$(BIN)/python docs/build_site.py

web: ## Check and build the pages from web/ (needs node and npm; what is built is kept in the repository)
	@cd web && npm ci --silent --no-audit --no-fund && npm run --silent check && npm run --silent build

bench: $(STAMP) ## Measure how long a ranking takes (ARGS="--json" for one line of JSON)
	@$(BIN)/tailrank bench latency $(ARGS)

benchmarks: $(STAMP) ## Write docs/benchmarks.md and the READMEs' table from bench/results
	@$(BIN)/python -m bench page

coverage: $(STAMP) ## Name the lines and branches that tests miss; fails below 92% (ARGS="tests/policy --cov-fail-under=0")
	@$(BIN)/python -m pytest --quiet --numprocesses auto --maxprocesses 4 --dist loadfile --cov --cov-report term-missing $(ARGS) -m 'not slow'

lock: $(STAMP) ## Write requirements.lock anew from pyproject.toml and constraints.txt
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip --disable-pip-version-check --quiet install --group lock
	@$(BIN)/uv --quiet pip compile pyproject.toml --all-extras --group test --group docs --group lint --group release \
	  --constraints constraints.txt --universal --python-version 3.11.5 --generate-hashes \
	  --no-annotate --no-emit-index-url --custom-compile-command 'make lock' --output-file requirements.lock > /dev/null

release: ## Build sdist and wheel twice, try the wheel on every Python there is, list its parts and licences: dist/
	@$(PYTHON) tools/release.py

clean: ## Remove .venv, caches, builds and the reports in demo/
	@rm -rf .venv .venv-peers demo build dist web/node_modules src/*.egg-info peers/src/*.egg-info .hypothesis .mypy_cache .ruff_cache .import_linter_cache .coverage* mutants
	@find . -name __pycache__ -prune -exec rm -rf {} +

# The stamp is written last and names its folder: what is half made, broken or was moved is made anew.
BROKEN := $(shell $(BIN)/python -c '' 2>&1 && test "$$(cat $(STAMP) 2>&1)" = "$(CURDIR)" || echo yes)

$(STAMP): pyproject.toml constraints.txt $(if $(BROKEN),rebuild)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'tailrank needs Python 3.11 or later. If there is one, name it: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'This Python lacks venv. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Setting up .venv: some minutes, once'
	@$(PYTHON) -m venv --clear .venv
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip --disable-pip-version-check --quiet install pip # one that knows --group
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m pip \
	  --disable-pip-version-check --quiet install --editable '.[all]' --group test --group docs --group lint
	@echo "$(CURDIR)" > $@

.venv-peers/.ready: pyproject.toml peers/pyproject.toml constraints-peers.txt
	@$(PYTHON) -m venv --clear .venv-peers
	@PIP_CONSTRAINT=constraints-peers.txt PIP_BUILD_CONSTRAINT=constraints-peers.txt .venv-peers/bin/python -m pip \
	  --disable-pip-version-check --quiet install --editable '.[language,report]' --editable './peers[test]'
	@touch $@
