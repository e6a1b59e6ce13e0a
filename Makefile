# Each target works as the only command on a bare machine: it makes its own environment first.
#
#   make book        the rendered book, _build/html/index.html
#   make test        every test, and every notebook re-executed and compared
#   make test-newest the same with the newest versions of all libraries, in an environment of its own
#   make portable    the same under other arithmetic: narrower vectors, two threads, busy cores
#   make notebooks   re-execute the notebooks in place
#   make reproduce   train every run that has no record, then re-execute the notebooks
#   make lint        style and types
#   make browser     open every page of the built book in Chromium and look for faults
#   make pdf         the book as one file, _build/book.pdf, by Chromium; after make book
#   make clean       remove what was built (not the environment)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= --constraint constraints.txt
# One thread: two notebooks or tests run beside each other, on a core each.
export OMP_NUM_THREADS ?= 1

.PHONY: book test test-newest portable notebooks reproduce lint browser pdf clean

book: $(VENV)/.installed
	$(BIN)/jupyter-book build . --all -W --keep-going

test: $(VENV)/.installed
	$(BIN)/python -m pytest --nbval --nbval-current-env -n auto notebooks tests

test-newest:
	$(MAKE) test VENV=$(VENV)-newest CONSTRAINTS=

portable: $(VENV)/.installed
	$(BIN)/python -m tools.portable $(SETTINGS)

notebooks: $(VENV)/.installed
	$(BIN)/python -m tools.execute

reproduce: $(VENV)/.installed
	$(BIN)/lsntp campaign all --preset laptop --seeds 3 --jobs 2
	$(BIN)/python -m tools.execute

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

browser: $(VENV)/.installed-dev
	$(BIN)/python -m tools.browser _build/html

pdf: $(VENV)/.installed-dev
	$(BIN)/python -m tools.pdf _build/html _build/book.pdf

clean:
	rm -rf _build .mypy_cache .pytest_cache .ruff_cache

# Stamps, so that a second run installs nothing.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lsntp needs Python 3.11 or later, but $(PYTHON) is " + sys.version.split()[0] + ": call make PYTHON=python3.11")'
	@echo "Installing into $(VENV): some minutes the first time, nothing after that."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) --editable '.[test,book]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) --editable '.[test,book,dev]'
	@touch $@
