# Each target sets up what it needs; the second time that takes no time.
BIN := .venv/bin
WORKFLOWS := $(wildcard .github/workflows/*.yml examples/recipes-repo/.github/workflows/*.yml)
.DEFAULT_GOAL := help
.PHONY: help setup demo space test lint bench image-test

help:
	@echo 'make demo    the whole line on tiny models, against a Hub on this machine'
	@echo 'make space   the form in a browser, with a Hub on this machine'
	@echo 'make test    the tests'
	@echo 'make lint    ruff and mypy; and the workflows, by check-jsonschema and zizmor'
	@echo 'make bench   the benchmarks'
	@echo 'make setup   .venv alone; the others do it by themselves'
	@echo 'make image-test   builds the image and runs it, without a Docker engine; as root on Debian'

setup:
	@scripts/setup.sh

demo: setup
	@$(BIN)/mergesmith demo

space: setup
	@$(BIN)/python -P -m space.local

test: setup
	$(BIN)/python -m pytest -n 2

lint: setup
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/zizmor --offline --quiet --config .github/zizmor.yml action.yml $(WORKFLOWS)

bench: setup
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.hub

image-test:
	scripts/image_test.sh
