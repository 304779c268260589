# What a developer types; `make` alone lists it.  Needs Python 3.11 or newer and make, nothing else.

VENV   ?= .venv
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	command -v $$name >/dev/null 2>&1 && $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)
# Extra arguments: `make test ARGS="-k outbox"`, `make demo ARGS=--keep`, `make bench ONLY=storing`.
ARGS    ?=
ONLY    ?=
WORKERS ?= 2

BIN  = $(VENV)/bin
PIP  = $(BIN)/python -m pip --disable-pip-version-check --no-input
# Stamps: a second run finds them newer than the lock and starts at once.  The dev set contains the other one.
BASE = $(VENV)/.installed
DEV  = $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-long lint format bench lock wheel clean distclean

help:
	@echo 'make demo       sixty simulated days against a simulated API, in a minute'
	@echo 'make test       all tests, on SQLite and on a Postgres that they start themselves'
	@echo 'make test-long  the same with every sweep in full'
	@echo 'make lint       style, types, layers, and what may not be committed'
	@echo 'make format     let ruff put the code in order'
	@echo 'make bench      measure (ONLY=part for one part)'
	@echo 'make lock       resolve the dependencies anew (needs uv)'
	@echo 'make wheel      build dist/*.whl'
	@echo 'make clean      remove what was built; distclean: the environment too'

demo: $(BASE)
	@$(BIN)/alerter demo $(ARGS)

test: $(DEV)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist=worksteal -m 'not long' $(ARGS)

test-long: $(DEV)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist=worksteal --timeout=1800 $(ARGS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs/test_tree.py

format: $(DEV)
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

bench: $(DEV)
	@if [ -d bench ]; then $(BIN)/python -m bench $(ONLY) $(ARGS); else echo 'there are no benchmarks yet'; fi

wheel: $(BASE)
	@$(PIP) wheel -q --no-deps --no-build-isolation -w dist .

LOCK = uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command 'make lock'
lock:
	@command -v uv >/dev/null 2>&1 || { echo 'make lock needs uv: the lock must hold for every platform' >&2; exit 1; }
	$(LOCK) --group build -o requirements.lock
	$(LOCK) --all-extras --group dev -o requirements-dev.lock

clean:
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

# ---------------------------------------------------------------- the environment
$(BIN)/python:
	@[ -n '$(PYTHON)' ] && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "alerter needs Python 3.11 or newer, and python3 is $$(python3 --version 2>/dev/null || echo missing)." \
			'Is there another one? make demo PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo 'This Python cannot make environments; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }

# $(1): a lock file.  pip's own words are kept for when it fails; meanwhile one line counts the packages.
define install
	@echo 'Installing from $(1), every file checked against its hash'
	@total=$$(grep -c '^[a-z0-9]' $(1)); log=$(VENV)/install.log; \
	{ $(PIP) install --progress-bar off --require-hashes -r $(1) 2>&1; echo "status=$$?"; } | tee $$log | \
	awk -v total=$$total -v tty="$$([ -t 2 ] && echo 1)" \
		'/^(Collecting|Requirement already)/ { n++; if (tty) printf "\r  %d of up to %d packages", n, total > "/dev/stderr" } \
		END { if (tty) printf "\r\033[K" > "/dev/stderr" }'; \
	grep -q '^status=0$$' $$log || { cat $$log >&2; exit 1; }
	@$(PIP) install -q --no-deps --no-build-isolation -e .
endef

$(BASE): requirements.lock pyproject.toml | $(BIN)/python
	$(call install,requirements.lock)
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml | $(BIN)/python
	$(call install,requirements-dev.lock)
	@touch $(BASE) $@
