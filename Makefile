# Each target does all the set-up it needs, in .venv, from an empty folder with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	@$(BIN)/seriality demo

test: lint
	@$(BIN)/pytest -q -n 2

lint: $(VENV)/.installed_dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python

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
