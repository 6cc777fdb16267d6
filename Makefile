# SPDX-License-Identifier: Apache-2.0
# Two commands: `make serve` and `make test`. Everything they need, they set up themselves, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKS := requirements/uv.txt requirements/serve.txt

.PHONY: help setup serve demo test chaos lint lock clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make setup   virtual environment, pinned dependencies, models
setup: $(VENV)/.models

## make serve   the server, on http://127.0.0.1:8000
serve: setup
	@exec $(BIN)/harken serve

## make demo    a server on a free port transcribes a sample phone call, then stops
demo: setup $(VENV)/.sample
	@exec $(BIN)/python -m harken.cli.demo

## make test    every check and every test
test: setup $(VENV)/.test
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/pytest -n 2 --dist loadfile

## make chaos   machines that fail while recordings are in hand; counts what became of them in docs/reliability.md
chaos: setup $(VENV)/.test
	@$(BIN)/python -m tests.hosts.chaos --write docs/reliability.md

## make lint    format and static checks only
lint: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

## make lock    compile requirements/*.txt again from pyproject.toml
lock: $(VENV)/.uv
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 requirements/uv.in -o requirements/uv.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra server --extra postgres --extra redis --extra s3 --extra otel --group build -o requirements/serve.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 pyproject.toml --extra server --extra postgres --extra redis --extra s3 --extra otel --extra onnx --extra bench --group build --group test -c requirements/serve.txt -o requirements/test.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --python-version 3.11 requirements/llm.in -o requirements/llm.txt

## make clean   remove the virtual environment; models and data stay
clean:
	rm -rf $(VENV)

$(VENV)/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "harken needs Python 3.11, 3.12 or 3.13; set PYTHON=python3.12, say")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.serve: $(VENV)/.uv $(LOCKS) pyproject.toml
	@echo "installing dependencies..."
	@$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/serve.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.models: $(VENV)/.serve
	@$(BIN)/harken models fetch base silero-vad segmentation-3.0 campplus
	@touch $@

$(VENV)/.sample: $(VENV)/.serve
	@$(BIN)/harken models fetch sample
	@touch $@

$(VENV)/.test: $(VENV)/.serve requirements/test.txt
	@echo "installing test tools..."
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements/test.txt
	@touch $@
