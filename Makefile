# Two commands do everything: `make release` and `make test`. Both install what they need into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup --max-worker-restart 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: release inputs test test-all formats docs bench lint format schema clean

release: inputs  ## publish the example release onto public/, verify it and build its site
	$(BIN)/publisher release releases/v0.9.yaml

inputs: $(VENV)/.installed  ## download and prepare the example's real inputs into releases/inputs/
	$(BIN)/python releases/prepare_inputs.py

test: $(VENV)/.tested lint  ## everything that CI runs
	tests/install_programs.sh
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.tested lint  ## the slow matrices too
	tests/install_programs.sh
	$(PYTEST) -o faulthandler_timeout=7200

formats: $(VENV)/.tested  ## draw and read every format, and write the table of docs/formats.md
	tests/install_programs.sh
	$(BIN)/python -m tests.browser.matrix

docs: $(VENV)/.tested  ## write what is generated of publisher's own documentation, and build it onto docs-html/
	$(BIN)/python -m docs.book --out docs-html

bench: $(VENV)/.benched  ## measure beside other tools, and write docs/performance.md; best on a quiet machine
	$(BIN)/python benchmarks/run.py

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(VENV)/.installed  ## the manifest's JSON Schema, which editors complete from
	$(BIN)/publisher schema --out releases/schema.json

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[inputs,mesh]"
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

$(VENV)/.benched: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[bench]"
	touch $@

clean:  ## what was made, but not what was published
	rm -rf $(VENV) releases/inputs releases/.publisher site/html
