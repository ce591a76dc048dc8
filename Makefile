# Two commands do all the set-up: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
# How many tests run at once; they mostly wait.
JOBS ?= 3

BIN := $(VENV)/bin
PROGRAMS := wget rsync curl git

.PHONY: run test suite test-long test-all lint static wheel install-service clean setup setup-test

run: static
	@$(BIN)/python tools/practice.py

test: lint suite

# The tests alone, without ruff and mypy.
suite: setup-test static
	$(BIN)/python -m pytest -n $(JOBS) -m "not long"

test-long: setup-test static
	$(BIN)/python -m pytest -m long

# The suite on each Python from 3.10 on.
test-all:
	@sh tools/test_all.sh

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/mypy

static: setup
	@$(BIN)/python tools/build_static.py

# For machines without Node: it carries the page's libraries.
wheel: static
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# As root: user, program, configuration and systemd unit. OPTIONS="--user NAME ..."; see
# tools/install_service.py --help.
install-service: wheel
	@$(BIN)/python -B tools/install_service.py $(OPTIONS)

setup:
	@PYTHON="$(PYTHON)" sh tools/programs.sh $(PROGRAMS)
	@$(PYTHON) tools/set_up.py $(VENV) archiveteam

setup-test: setup
	@PYTHON="$(PYTHON)" sh tools/programs.sh chromium
	@$(PYTHON) tools/set_up.py $(VENV) archiveteam test

clean:
	rm -rf $(VENV) .venv-* build dist *.egg-info static/vendor node_modules
