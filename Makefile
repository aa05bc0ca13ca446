# Each target does all the set-up it needs, in .venv, from an empty folder with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: install demo test lint docs benchmarks clean

install: $(VENV)/.installed

demo: $(VENV)/.installed
	@$(BIN)/seriality demo

test: lint
	@$(BIN)/pytest -q -n 2 -rs

lint: $(VENV)/.installed_dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.installed_docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "The site: build/site/index.html"

benchmarks: $(VENV)/.installed_benchmarks
	@$(BIN)/python benchmarks/training.py --keep
	@$(BIN)/python benchmarks/instances.py --keep
	@$(BIN)/python benchmarks/records.py --keep
	@$(BIN)/python benchmarks/page.py --keep
	@$(BIN)/python benchmarks/executors.py --keep
	@$(BIN)/python benchmarks/meter.py --keep
	@$(BIN)/python benchmarks/tasks.py --keep
	@$(BIN)/python benchmarks/circuits.py --keep
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/surface.py --keep
	@$(BIN)/python benchmarks/tasks.py --soak --keep

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .ruff_cache
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "seriality needs Python 3.11 or newer; '$(PYTHON)' is not. Name one: make demo PYTHON=python3.12" >&2; \
	  exit 1; }
	@echo "Installing into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed_dev: $(VENV)/.installed
	@echo "Installing the tools for development into $(VENV)"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.installed_docs: $(VENV)/.installed
	@echo "Installing what the documentation is built with into $(VENV)"
	@$(PIP) install --constraint constraints.txt --editable '.[docs]'
	@touch $@

$(VENV)/.installed_benchmarks: $(VENV)/.installed
	@echo "Installing what the benchmarks compare with into $(VENV)"
	@$(PIP) install --constraint constraints.txt --editable '.[benchmarks]'
	@touch $@
