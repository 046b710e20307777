# Lethe's verbs. `make demo` and `make test` set everything up when it is not there yet.

.DEFAULT_GOAL := help

BIN := .venv/bin
READY := .venv/.ready
PACKAGES := unlearning ledger systems tasks flows benchmarks

# The first interpreter that pyproject's `requires-python` admits and that can make an environment.
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	"$$p" -c '$(SUITS)' 2>/dev/null && { echo "$$p"; break; }; done)

.PHONY: help setup demo test long lint docs lock gpu proof clean

help:  ## Say what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY)  ## Build .venv from requirements.lock (once; about 6 GB)

demo: $(READY)  ## Tell the whole story, in a workspace of its own
	@$(BIN)/python -m flows.demo

test: $(READY)  ## Run the three tiers of tests, cheapest first; stop at the first that fails
	@for tier in unit integration end_to_end; do \
		echo "== tests/$$tier"; \
		$(BIN)/python -m pytest -n 2 --dist worksteal "tests/$$tier" || exit 1; done

long: $(READY)  ## Run the tests that `make test` leaves out for time (about 5 minutes)
	@LETHE_LONG=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m long tests

lint: $(READY)  ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict $(PACKAGES) lethe.py

docs: $(READY)  ## Build the documentation site in build/docs, without a network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet -f infra/mkdocs.yml
	@echo "build/docs/index.html"

lock: $(BIN)/uv  ## Make requirements.lock again from pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate \
		--no-header --extra dev pyproject.toml -o requirements.lock

# Where packages cannot be installed the machine's own Python does it: make gpu GPU_PYTHON=python3
GPU_PYTHON ?= $(BIN)/python
gpu:  ## Measure what waits for a GPU, in calls of ten minutes; see benchmarks/README.md
	@$(GPU_PYTHON) -m benchmarks.gpu

proof: $(READY)  ## Run the long forms of the tests of kills and alterations (hours); write their table
	@$(BIN)/python -m benchmarks.proof && $(BIN)/python -m benchmarks.pages

clean:  ## Remove caches and the demo's workspace; .venv stays
	rm -rf demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or 3.12 with venv found on PATH;" \
		"install one (on Debian also python3-venv), or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# Written last, so that an interrupted set-up starts over. setuptools comes from the lock, which is
# why the project itself needs no isolated build. Compiled once, since where Python may write no
# bytecode each process would compile all that it imports.
$(READY): requirements.lock pyproject.toml | $(BIN)/uv
	@echo "Installing the packages of requirements.lock"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
		-r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
