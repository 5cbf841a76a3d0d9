# What a developer of livetui runs. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
unexport PYTHONDONTWRITEBYTECODE # compiling anew at every start of a process takes longer than what is started
MATRIX ?= 3.12 3.13
MATRIX_TESTS ?= tests/unit tests/tui tests/integration/runtime tests/integration/link tests/integration/debug
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-matrix test-long check screenshots bench soak lock clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("livetui needs Python 3.11 or newer; try: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned dependencies into $(VENV) (once) …"
	@awk '/^uv==/ {found = 1} found {print} found && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements.lock || \
		$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)

demo: $(STAMP) ## The console on the embedded local cloud, with real traffic
	@$(BIN)/livetui demo

test: $(STAMP) ## All tests but the long ones (6 to 10 minutes on 2 cores)
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not long"

test-matrix: $(STAMP) ## A part of the tests on the other supported Pythons that are here
	@for version in $(MATRIX); do \
		python=$$(ls -d $$HOME/.pyenv/versions/$$version.*/bin/python 2>/dev/null | tail -1); \
		python=$${python:-$$(command -v python$$version)}; \
		test -n "$$python" || { echo "Python $$version is not here: skipped"; continue; }; \
		echo "Python $$version: $$python"; \
		$(BIN)/uv venv --quiet --allow-existing --python $$python $(VENV)-$$version && \
		$(BIN)/uv pip install --quiet --python $(VENV)-$$version --require-hashes -r requirements.lock && \
		$(BIN)/uv pip install --quiet --python $(VENV)-$$version --no-build-isolation --no-deps -e . && \
		$(VENV)-$$version/bin/python -m pytest -q -n 2 --dist loadgroup -m "not long" $(MATRIX_TESTS) || exit 1; \
	done

test-long: $(STAMP) ## Faults, soaks, many templates
	@$(BIN)/python -m pytest -m long --timeout 3600

check: $(STAMP) ## Lint, types, import contracts: what CI runs first
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

screenshots: $(STAMP) ## Pictures of the real application, into screenshots/
	@$(BIN)/python screenshots/make.py

bench: $(STAMP) ## Measured ratios in one table, into benchmarks/RESULTS.md (under 15 minutes)
	@$(BIN)/python -m benchmarks.run

soak: $(STAMP) ## 30 minutes of traffic, saves, breakpoints and faults at once, into benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.soak --minutes 30 --save benchmarks/soak.json

lock: $(STAMP) ## Resolve requirements.lock anew (hashes, no registry host)
	@$(BIN)/uv pip compile pyproject.toml --extra local --group dev --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock

clean: ## Remove the environment and caches
	@rm -rf $(VENV) $(VENV)-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
