# `make check` before a commit; CI runs `.ci/run`.
PYTHON := .venv/bin/python

.PHONY: setup check format test serve

setup:            ## the environment with the test tools
	./install.sh --test --version

check:            ## everything a reviewer would ask a machine
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m ruff check
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest

format:
	$(PYTHON) -m ruff format
	$(PYTHON) -m ruff check --fix

test:
	./install.sh --test

serve:            ## the demo
	./install.sh --demo
