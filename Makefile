# Two commands do all the set-up: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: run test test-long test-all lint setup static clean

run: setup static
	@$(BIN)/python tools/practice.py

test: setup static lint
	$(PYTEST) -n 3 -m "not long"

test-long: setup
	$(PYTEST) -m long

# The suite on each Python from 3.10 on that pyenv has.
test-all:
	@sh tools/test_all.sh

static: setup
	@$(BIN)/python tools/build_static.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

setup: $(VENV)/.ready
	@sh tools/programs.sh

$(VENV)/.ready: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@# Not every module that projects import has a wheel for every Python.
	@for module in zstandard lupa validators dnspython; do \
	  $(BIN)/python -m pip install --quiet --only-binary :all: $$module \
	    || echo "$$module is not to be had for this Python: projects that need it will say so."; \
	done
	touch $@

clean:
	rm -rf $(VENV) .venv-* build dist *.egg-info static/vendor
