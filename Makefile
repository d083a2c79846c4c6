# Every target makes .venv first when it is missing or older than the requirements.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
STAMP := .venv/.installed

.PHONY: demo test test-slow test-all fuzz lint bench notebooks docs clean

demo: $(STAMP)
	$(PY) recipes/demo.py

# Two processes, a file in one: most of the tests keep one core busy.
test: $(STAMP)
	$(PY) -m pytest -m "not slow and not all" -n 2 --dist loadfile

test-slow: $(STAMP)
	$(PY) -m pytest -m slow -n 2 --dist loadfile

test-all: $(STAMP)
	$(PY) -m pytest

fuzz: $(STAMP)
	$(PY) -m pytest -m all tests/test_fuzz.py tests/test_fuzz_configs.py

lint: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

# Hours; `make bench STEP="texts-*"` runs some steps. An interrupted one goes on where it stopped.
bench: $(STAMP)
	$(PY) benchmarks/bench.py $(STEP)

# Runs every notebook anew, which takes minutes; `$(PY) notebooks/build.py NAME` runs one.
notebooks: $(STAMP)
	$(PY) notebooks/build.py

# Writes docs/reference/ anew from the code; seconds.
docs: $(STAMP)
	$(PY) docs/build.py

# The environment stays: it takes minutes to make. `rm -r .venv` removes it.
clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +

$(STAMP): requirements.txt setup.cfg pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@
