# make search: set up, then search on handwritten digits, derive, retrain, print the table.
# make test:   set up, then lint, type-check and test.
# make docs:   build the documentation site into site/; a broken link or anchor is an error.
# make test-fast: ruff, and a part of the tests that ends in two minutes.
# make mutants: change one thing at a time in a copy of the package; which changes do the tests notice?
# make ops:    compile mmcv's ops (15 to 20 minutes); detectors here do without, others may not.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REQUIREMENTS := requirements/runtime.txt setup.py pyproject.toml
export OMP_NUM_THREADS ?= 2

.PHONY: search test test-fast lint compare slow docs mutants ops clean

search: $(VENV)/.search
	$(BIN)/python tools/search.py configs/search/ppnas_digits.py \
	  --work-dir work_dirs/search_digits --retrain configs/classification/pp-resnet20_digits.py

compare: $(VENV)/.search
	$(BIN)/python tools/compare.py --seeds 5 --work-dir work_dirs/compare_digits

test: $(VENV)/.test lint
	$(BIN)/python -m pytest tests

test-fast: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -m fast tests

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

slow: $(VENV)/.test
	$(BIN)/python -m pytest tests/slow --override-ini addopts=
	$(BIN)/python -m pytest -m long tests

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(VENV)/.docs: $(BIN)/python requirements/docs.txt
	$(BIN)/python -m pip install -r requirements/docs.txt
	touch $@

# About ten minutes to see what each test enters, once a change of the package, then twenty of mutants.
mutants: $(VENV)/.mutants
	OMP_NUM_THREADS=1 $(BIN)/python tests/mutants --minutes 20

$(VENV)/.mutants: $(VENV)/.test requirements/mutants.txt
	$(BIN)/python -m pip install -r requirements/mutants.txt
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.search: $(BIN)/python $(REQUIREMENTS)
	$(BIN)/python -m pip install torch==2.13.0
	$(BIN)/python -m pip install -r requirements/runtime.txt
	$(BIN)/python -m pip install --no-deps -e .
	touch $@

# A built mmcv with ops in PIP_FIND_LINKS takes the place of a pure one of the same version.
$(VENV)/.test: $(VENV)/.search requirements/dev.txt
	$(BIN)/python -m pip install -r requirements/dev.txt
	test -z "$$PIP_FIND_LINKS" || $(BIN)/python -c "import torch, mmcv._ext" 2>/dev/null || \
	  $(BIN)/python -m pip install --force-reinstall --no-deps --no-cache-dir \
	    --only-binary onedl-mmcv onedl-mmcv==2.3.6 || \
	  echo "no built mmcv in PIP_FIND_LINKS: torchvision's ops are taken"
	touch $@

# Compiled against the installed torch, if PIP_FIND_LINKS has no built wheel. The cache is left out:
# it may hold the pure wheel.
ops: $(VENV)/.search
	$(BIN)/python -m pip install ninja 'setuptools<81' wheel
	MMCV_WITH_OPS=1 $(BIN)/python -m pip install --force-reinstall --no-deps --no-cache-dir \
	  --no-build-isolation -v onedl-mmcv==2.3.6 > $(VENV)/mmcv.log 2>&1 || \
	  { tail -n 20 $(VENV)/mmcv.log; exit 1; }
	$(BIN)/python -c "import torch, mmcv._ext"

clean:
	rm -rf $(VENV) work_dirs site
