# On a fresh machine, `make demo` and `make test` do all their set-up: they need Python 3.11, make and
# a package index. A second `make` installs nothing, until pyproject.toml or constraints.txt change.

# The first interpreter that can make an environment.
PYTHON ?= $(firstword $(foreach name,python3.11 python3 python,\
	$(shell $(name) -c "import ensurepip, sys, venv; sys.version_info < (3, 11) or print(sys.executable)" 2>/dev/null)))
PIP_FLAGS ?=
PYTEST_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PACKAGES := audit callbacks templates

.PHONY: help demo test test-fast lint clean

help:
	@echo "make demo       train a small language model twice, before and after the audit's advice"
	@echo "make test       all tests"
	@echo "make test-fast  those that take seconds"
	@echo "make lint       ruff and mypy"
	@echo "make clean      remove $(VENV), the demo's runs and caches"
	@echo
	@echo "PYTHON=…        interpreter of 3.11 or later (here: $(PYTHON))"
	@echo "PIP_FLAGS=…     for instance, where the index has torch only with CUDA and that is too much:"
	@echo "                PIP_FLAGS='--extra-index-url https://download.pytorch.org/whl/cpu'"

demo: $(INSTALLED)
	$(BIN)/python -m examples.demo

# Each worker gets one thread: together they have the machine's.
test test-fast: export OMP_NUM_THREADS ?= 1

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto $(PYTEST_FLAGS)

test-fast: $(INSTALLED)
	$(BIN)/python -m pytest -n auto -m "not slow" $(PYTEST_FLAGS)

# mypy does not follow the finder of an editable install: it gets the same mapping as links.
lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p $(VENV)/typed/groundwire
	@ln -sfn $(addprefix $(CURDIR)/,$(PACKAGES)) $(VENV)/typed/groundwire/
	MYPYPATH=$(VENV)/typed $(BIN)/mypy $(addprefix -p groundwire.,$(PACKAGES))

# The stamp comes last, so that an install that was cut off is done again.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with venv is needed: install it or give PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf $(VENV) build dist runs/demo *.egg-info .mypy_cache .ruff_cache .hypothesis .pytest_cache
