# Everything runs in .venv with the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check -q -c constraints.txt
USED := $(VENV)/.used
INSTALLED := $(VENV)/.installed
TESTS := $(BIN)/python -m pytest -n auto --dist worksteal
# Tests that do not check shapes do without what checks them, which takes a fifth of their time.
UNCHECKED := -m unchecked --jaxtyping-packages=
CHECKED := -m "not unchecked"
# Processes share compiled modules, also where the environment forbids to write them.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-slow check lint format bench gpu-check docs gallery clean

$(USED): pyproject.toml constraints.txt
	@echo "installing into $(VENV), which takes minutes"
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[highs,plot,report]'
	touch $@

$(INSTALLED): $(USED)  # what tests and documentation need beside it
	@echo "installing more into $(VENV), which takes minutes"
	$(PIP) -e '.[dev]'
	touch $@

demo: $(USED)  ## train a bidder and show what it learned
	$(BIN)/python examples/demo.py

test: $(INSTALLED)  ## all tests but the slow ones, on all processors
	$(TESTS) $(UNCHECKED)
	$(TESTS) $(CHECKED)

test-slow: $(INSTALLED)  ## the slow ones too
	$(TESTS) $(UNCHECKED) --run-slow
	$(TESTS) $(CHECKED) --run-slow

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/public_api.py --check

check: lint test  ## what CI runs

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## ratios against a peer; see benchmarks/README.md
	$(BIN)/python -m benchmarks

gpu-check: $(INSTALLED)  ## tests and benchmark of a GPU, seven minutes at most
	timeout 180 $(BIN)/python -m pytest -q --run-gpu -m gpu
	timeout 240 $(BIN)/python -m benchmarks.gpu --out benchmarks/gpu.json

docs: $(INSTALLED)  ## the site, in site/; nothing is fetched
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

gallery: $(INSTALLED)  ## runs that the pictures of docs/gallery.md come from
	$(BIN)/python docs/make_gallery.py

clean:
	rm -rf $(VENV)
