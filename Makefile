# Two commands do all the set-up: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
# How many tests run at once, on two cores; they mostly wait.
JOBS ?= 6
# What pytest adds to the asserts of tests is kept for the next run, whatever the environment says.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

BIN := $(VENV)/bin
# What of the tests to run; all by default.
TESTS ?=
# Debian's packages: what a run takes, and what the tests take beyond that.
PROGRAMS := wget rsync curl git
TEST_PROGRAMS := $(PROGRAMS) chromium libatomic1

.PHONY: run test suite test-long test-all test-debian lint static wheel install-service clean \
	setup setup-test
# Each set-up finds the one before it complete.
.NOTPARALLEL:

run: static
	@$(BIN)/python tools/practice.py

test: lint suite

# The tests alone, without lint.
suite: setup-test static
	$(PYTEST) -n $(JOBS) --dist worksteal -m "not long" $(TESTS)

test-long: setup-test static
	$(PYTEST) -m long $(TESTS)

# The suite on each Python from 3.10 on; PYTHONS="3.10 3.12" are those alone.
test-all:
	@sh tools/test_all.sh $(PYTHONS)

# As root: both commands from README in minimal Debian roots; in parts with SUITES="trixie",
# USERS="user" or PARTS="run"; what has passed for this commit is left out, but with AGAIN=1.
test-debian:
	@$(PYTHON) tools/test_debian.py --suites "$(SUITES)" --users "$(USERS)" --parts "$(PARTS)" \
		--tests "$(TESTS)" $(if $(AGAIN),--again)

lint: setup-test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/vulture

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

# Names all that is missing at once, so it does not leave a part of that to "setup".
setup-test:
	@PYTHON="$(PYTHON)" sh tools/programs.sh $(TEST_PROGRAMS)
	@$(PYTHON) tools/set_up.py $(VENV) archiveteam
	@$(PYTHON) tools/set_up.py $(VENV) archiveteam test

clean:
	rm -rf $(VENV) .venv-* build dist *.egg-info static/vendor node_modules
