# The whole interface for people who work on exim-dkim. `make help` lists it.
#
#   PYTHON=/path/to/python3.12   another interpreter than the one that .ci/setup finds
#   VENV=.venv-mine              another directory for the virtual environment
#   APT=no                       leave Debian packages alone, even for root
#   MAIL_SERVERS=/a/directory   where Sendmail and Postfix are unpacked for the tests, instead of /var/cache/exim-dkim-tests
#   TESTS="tests/end_to_end -k split"   arguments for pytest

SHELL := /bin/sh
VENV ?= .venv
PYTHON ?=
APT ?= yes
MAIL_SERVERS ?= /var/cache/exim-dkim-tests
TESTS ?= tests
# Processes of pytest. Files stay together, since a file's tests share their Exims and their look-up server.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -lt 4 ] || n=4; echo $$n)
ANALYSED := exim_dkim lookup_server milter_server transport_wrapper tests bench examples

RUN := $(VENV)/bin/python
PYTEST := -m pytest -n $(JOBS) --dist loadfile -q
LINT := $(RUN) -m ruff check --quiet $(ANALYSED) && $(RUN) -m ruff format --check --quiet $(ANALYSED) \
	&& $(RUN) -m mypy --strict --no-error-summary $(ANALYSED)
export APT PYTHON MAIL_SERVERS

.PHONY: help setup demo test test-all differential lint format bench clean distclean

help:
	@echo 'make demo       show the main job: one Exim signs, another one asks the look-up server'
	@echo 'make test       set up what is missing, lint, run every test, real Exim included'
	@echo 'make test-all   the tests with every Python from 3.11 on that this machine has'
	@echo 'make differential   compare 100,000 random expansions with the real Exim (as root, half a minute)'
	@echo 'make lint       ruff and mypy --strict;   make format   let ruff format the code'
	@echo 'make bench      speed and memory, compared with libopendkim and dkimpy'
	@echo 'make setup      only the virtual environment and the Debian packages'
	@echo 'make clean      remove what was built;   make distclean   the virtual environments too'

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml .ci/setup
	@sh .ci/setup environment '$(VENV)'

demo: setup
	@sh .ci/setup packages demo
	@$(RUN) -m examples.demo

test: setup
	@sh .ci/setup packages test
	@sh .ci/setup ldap '$(VENV)'
	@status=0; { $(LINT); } || status=1; $(RUN) $(PYTEST) $(TESTS) || status=1; exit $$status

test-all: setup
	@sh .ci/setup packages test
	@VENV='$(VENV)' sh .ci/setup every '$(PYTEST) $(TESTS)'

differential: setup
	@sh .ci/setup packages demo
	@$(RUN) -m tests.support.generated compare

lint: setup
	@$(LINT)

format: setup
	@$(RUN) -m ruff check --quiet --fix $(ANALYSED)
	@$(RUN) -m ruff format --quiet $(ANALYSED)

bench: setup
	@sh .ci/setup packages bench
	@$(RUN) -m bench

clean:
	rm -rf build dist bench/build .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	find exim_dkim lookup_server milter_server transport_wrapper tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .venv-*
