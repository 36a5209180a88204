# `make demo` and `make test` need Python 3.11 or newer and make; they set up everything else in .venv.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := runs/demo
# Trying a Python is the only safe test: a version manager's shim exists even where its Python does not.
FIND_PYTHON = for p in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	"$$p" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; \
	done; true

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1

.PHONY: help setup demo test test-all lint types validate docs gallery bench clean
.DEFAULT_GOAL := help

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | awk -F'|' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(READY)  ## create .venv with everything needed (the other targets do this themselves)

$(READY): pyproject.toml .ci/constraints.txt
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "No Python 3.11 or newer with venv was found. Install one (for example python3.12 and python3.12-venv)," >&2; \
		echo "or say where it is: make PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || { echo "Creating $(VENV) with $$python"; "$$python" -m venv --clear $(VENV); }
	@echo "Installing matterlearn and what it needs into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install -qq --constraint .ci/constraints.txt --editable ".[test,dev,docs]"
	@touch $@

demo: $(READY)  ## a mixture learns two structures and recalls them; writes runs/demo
	@if [ -f $(DEMO)/scenario.yaml ]; then resume=--resume; else resume=; fi; \
	$(BIN)/matterlearn run multifarious_assembly --out $(DEMO) $$resume; code=$$?; \
	[ ! -f $(DEMO)/report.html ] || echo "report: $(CURDIR)/$(DEMO)/report.html"; \
	for movie in $(DEMO)/*.gif $(DEMO)/*.mp4; do [ ! -f "$$movie" ] || echo "movie:  $(CURDIR)/$$movie"; done; \
	exit $$code

test: $(READY)  ## the tests, without the slow ones
	@$(BIN)/python -m pytest

test-all: $(READY)  ## all tests, compiled as they are for users
	@XLA_FLAGS= $(BIN)/python -m pytest -m "slow or not slow"

lint: $(READY)  ## style, and who may import whom
	@$(BIN)/ruff check --quiet matterlearn tests docs
	@layers=$$($(BIN)/lint-imports --no-cache) || { echo "$$layers"; exit 1; }
	@echo "lint: ok"

types: $(READY)  ## static types
	@$(BIN)/pyright --level error

validate: $(READY)  ## check every scenario without running it
	@$(BIN)/matterlearn validate scenarios/*.yaml

docs: $(READY)  ## the documentation site, every notebook executed; docs/_build/html/index.html
	@$(BIN)/python -m sphinx -W --keep-going --nitpicky -q -b html docs docs/_build/html
	@echo "docs: $(CURDIR)/docs/_build/html/index.html"

gallery: $(READY)  ## figures of finished runs for the gallery: make gallery RUNS="runs /data/runs"
	@$(BIN)/python docs/make_gallery.py $(or $(RUNS),runs)

bench: $(READY)  ## measure speed
	@$(BIN)/python docs/benchmarks/particles_speed.py
	@$(BIN)/python docs/benchmarks/lattice_speed.py
	@$(BIN)/python docs/benchmarks/nfold_speed.py
	@$(BIN)/python docs/benchmarks/boltzmann_speed.py
	@$(BIN)/python docs/benchmarks/score_speed.py
	@$(BIN)/python docs/benchmarks/message_passing.py
	@$(BIN)/python docs/benchmarks/sweep_speed.py

clean:  ## remove .venv, caches; runs/ stays
	rm -rf $(VENV) docs/_build docs/api docs/gallery/*.md .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
