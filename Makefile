# Every target does its own set-up; a second run finds it in place. See README.md.
#
#   make run [FILES="a.mp4 'b c.mov'"]    the window; without a display, the same job from the command line
#   make test [ARGS="-k intake"]          everything: linters, types, import contract, tests
#   make test-storage                     files through a bucket, against a storage that verifies signatures (Debian)
#   make test-hosts                       ten minutes of film over hosts that share no folder (root)
#   make lint | types                     only that
#   make screenshots | bench | mutants    pictures of the window | benchmarks | do the tests notice broken code?
#   make clean                            removes .venv and what tools left behind
#
# PYTHON=/path/to/python3.12 chooses the interpreter when .venv is made.

SHELL := /bin/sh
BIN := .venv/bin
DESKTOP := PYTHON='$(PYTHON)' sh resources/installer/bootstrap.sh desktop
TESTING := PYTHON='$(PYTHON)' sh resources/installer/bootstrap.sh test

.PHONY: run test test-storage test-hosts lint types screenshots mutants bench clean
.DEFAULT_GOAL := run

run:
	@$(DESKTOP)
	@sh resources/installer/run.sh $(FILES)

test:
	@$(TESTING)
	@$(BIN)/python -m pytest $(ARGS)

lint:
	@$(TESTING)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types:
	@$(TESTING)
	@$(BIN)/mypy

screenshots:
	@$(TESTING)
	@$(BIN)/python -m tests.e2e.screenshots

test-storage:
	@$(TESTING)
	@sh resources/installer/storage_packages.sh
	@$(BIN)/python -m pytest tests/integration/test_bucket.py $(ARGS)

test-hosts:
	@$(TESTING)
	@HOSTS_FILM_S=600 HOSTS_CUT_S=90 $(BIN)/python -m pytest -s tests/hosts $(ARGS)

mutants:
	@$(TESTING)
	@$(BIN)/python -m tests.mutants

bench:
	@$(TESTING)
	@$(BIN)/python -m benchmarks.transcode
	@QT_QPA_PLATFORM=offscreen $(BIN)/python -m benchmarks.window

clean:
	rm -rf .venv build dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
