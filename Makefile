.DEFAULT_GOAL := help
PYTHON ?= python3
venv := .venv
bin := $(venv)/bin
ready := $(venv)/.ready
# Many tests wait for processes, so one more than there are cores keeps them busy; more would spoil what is timed.
cores := $(shell nproc 2>/dev/null || echo 2)
at_once := -n $(shell expr $(cores) + 1 \& $(cores) \< 4 \| 4) --dist worksteal

DOCS ?= build

.PHONY: docs man setup demo test exhaustive docker-test check fix lint types imports fast bench gpu-check screenshots wheel help
$(ready): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("rsi needs Python 3.11 or newer; call make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@test -x $(bin)/python || $(PYTHON) -m venv $(venv) || { \
		echo "python3 cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "installing rsi and what it needs into $(venv) (a few minutes the first time)"
	@$(bin)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(ready) ## Make .venv with rsi and all that a contributor needs
demo: $(ready) ## A real campaign on the flagship task, live, without key, GPU or Docker
	@$(bin)/rsi demo $(ARGS)
test: $(ready) ## Every test that can run on this machine
	@$(bin)/python -m pytest $(at_once) -m "not exhaustive and not docker and not gpu and not live" $(ARGS)
exhaustive: $(ready) ## Every cheat of the flagship again with its layer off: half an hour
	@$(bin)/python -m pytest -m exhaustive $(ARGS)
docker-test: $(ready) ## Tests that need a Docker engine
	@$(bin)/python -m pytest -m docker $(ARGS)
check: lint types imports fast ## Format, lint, strict types, import contracts, fast tests: under a minute
fix: $(ready) ## Format and fix what can be fixed
	@$(bin)/ruff format . && $(bin)/ruff check --fix .
lint: $(ready) ## Format and lint, no changes
	@$(bin)/ruff format --check . && $(bin)/ruff check .
types: $(ready) ## mypy --strict
	@$(bin)/mypy
imports: $(ready) ## The architecture, as import contracts
	@$(bin)/lint-imports
fast: $(ready) ## Fast tests alone
	@$(bin)/python -m pytest -q $(at_once) -m "not slow and not exhaustive and not docker and not gpu and not live" $(ARGS)
bench: $(ready) ## Benchmarks: ratios measured side by side in one run
	@for file in benchmarks/*.py; do echo "== $$file"; PYTHONPATH=$(CURDIR) $(bin)/python -P $$file $(ARGS) || exit 1; done
gpu-check: $(ready) ## What only a GPU can show, on a machine that has one: a verdict a line, under six minutes
	@$(bin)/python -P benchmarks/gpu/check.py $(ARGS)
screenshots: $(ready) ## Draw the README's screenshots again from the app itself
	@$(bin)/python -P -m rsi.tui.demo.screenshots
man: $(ready) ## Write the manual page rsi.1, of the text that `rsi help` shows
	@$(bin)/rsi help --man > rsi.1 && echo "rsi.1 is written; man -l rsi.1 shows it"
docs: $(ready) ## Build the documentation site into site/ and fail on a broken link (DOCS=serve shows it while you write)
	@$(bin)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@$(bin)/mkdocs $(DOCS)
wheel: $(ready) ## Build the wheel, install it into a clean environment, run it from /
	@rm -rf dist && $(bin)/python -m pip install --quiet build && $(bin)/python -m build --quiet --wheel
	@$(PYTHON) -m venv dist/clean && dist/clean/bin/python -m pip install --quiet -c constraints.txt dist/*.whl
	@cd / && $(CURDIR)/dist/clean/bin/rsi task list
help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 14
