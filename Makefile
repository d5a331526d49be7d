# Two commands: `make demo` shows a result, `make test` passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: demo test lint type docs gpu clean

demo: $(READY)
	mkdir -p out
	$(BIN)/scenivid stylize examples/clip.mp4 out/demo.mp4 --overwrite
	$(BIN)/scenivid compare examples/clip.mp4 out/demo.mp4 out/demo-compare.mp4 --overwrite

# Each folder in a process of its own: what native libraries leave behind doesn't reach the next.
test: $(READY)
	@failed=0; for part in "$(wildcard tests/test_*.py)" $(filter-out tests/__pycache__/,$(wildcard tests/*/)); do \
	  $(BIN)/python -m pytest $$part || failed=1; \
	done; exit $$failed

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY)
	$(BIN)/mypy

docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# On a machine with a GPU: its tests, bench, and the chain for twenty minutes, into out/gpu.
PHOTOS ?= data/open/photos
ANIME ?= data/open/paintings
gpu: $(READY)
	$(BIN)/python train/speed/gpu_report.py --out out/gpu --photos $(PHOTOS) --anime $(ANIME)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train,eval,onnx,ui,dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) out build *.egg-info
