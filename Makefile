# Everything a person types. Each target sets up what it lacks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PART ?= all

.PHONY: setup demo test faults lint docs bench screenshots lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(READY)
	$(BIN)/python -m benchmarks.demo

# Commands that tests start are slow to start without their bytecode cached.
test faults: export PYTHONDONTWRITEBYTECODE =
test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

faults: $(READY)
	$(BIN)/python -m tests.faults

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python -m search.cli.reference

bench: $(READY)
	$(BIN)/python -m benchmarks.main_job $(PART)

screenshots: $(READY)
	DIGITS_SCREENSHOT=docs/page.png $(BIN)/python -m pytest tests/search/web/page -k picture_of_the_page

# Needs uv (pip install uv); run it after a dependency in pyproject.toml changed.
lock:
	uv pip compile pyproject.toml --universal --extra train --extra tensorboard --extra plot --extra parquet --extra web --extra browser --extra milvus --extra ray --extra dev --generate-hashes \
	  --no-emit-index-url --no-annotate --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) build demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
