# Each target sets up what it needs; the second time that takes no time.
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench

help:
	@echo 'make demo    the whole line on tiny models, against a Hub on this machine'
	@echo 'make test    the tests'
	@echo 'make lint    ruff and mypy'
	@echo 'make bench   the benchmarks'
	@echo 'make setup   .venv alone; the others do it by themselves'

setup:
	@scripts/setup.sh

demo: setup
	@$(BIN)/mergesmith demo

test: setup
	$(BIN)/python -m pytest -n 2

lint: setup
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

bench: setup
	$(BIN)/python -m benchmarks
