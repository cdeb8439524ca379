# make search: set up, then search on handwritten digits, derive, retrain, print the table.
# make test:   set up with mmcv's compiled ops, then lint, type-check and test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REQUIREMENTS := requirements/runtime.txt setup.py pyproject.toml
export OMP_NUM_THREADS ?= 2

.PHONY: search test lint compare slow clean

search: $(VENV)/.search
	$(BIN)/python tools/search.py configs/search/ppnas_digits.py \
	  --work-dir work_dirs/search_digits --retrain configs/classification/pp-resnet20_digits.py

compare: $(VENV)/.search
	$(BIN)/python tools/compare.py --seeds 5 --work-dir work_dirs/compare_digits

test: $(VENV)/.test lint
	$(BIN)/python -m pytest tests

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

slow: $(VENV)/.test
	$(BIN)/python -m pytest tests/slow --override-ini addopts=

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.search: $(BIN)/python $(REQUIREMENTS)
	$(BIN)/python -m pip install torch==2.13.0
	$(BIN)/python -m pip install -r requirements/runtime.txt
	$(BIN)/python -m pip install --no-deps -e .
	touch $@

# mmcv's ops are compiled against the installed torch; a built wheel in PIP_FIND_LINKS is taken
# instead. The cache is left out: it may hold the pure-Python wheel of the same version.
$(VENV)/.test: $(VENV)/.search requirements/dev.txt
	$(BIN)/python -m pip install -r requirements/dev.txt
	$(BIN)/python -c "import torch, mmcv.ops" 2>/dev/null || \
	  MMCV_WITH_OPS=1 $(BIN)/python -m pip install --force-reinstall --no-deps --no-cache-dir \
	    --no-build-isolation -v onedl-mmcv==2.3.6 > $(VENV)/mmcv.log 2>&1 || \
	  { tail -n 20 $(VENV)/mmcv.log; exit 1; }
	$(BIN)/python -c "import torch, mmcv.ops"
	touch $@

clean:
	rm -rf $(VENV) work_dirs
