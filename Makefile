# Every target makes .venv first when it is missing or older than the requirements: from requirements.lock, or, with
# UNLOCKED=1, from what setup.cfg allows.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
STAMP := .venv/.installed

.PHONY: demo test test-slow test-all fuzz lint bench notebooks docs lock release clean

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
	$(PY) -m pytest -m all tests/whole/test_fuzz.py tests/whole/test_fuzz_configs.py

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

# Resolves what setup.cfg asks for anew; `make lock KEEP=1` stays at the locked versions where that is allowed.
lock:
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m release.lock make $(if $(KEEP),--keep)

# Writes dist/ anew: wheel, sdist, licences and bill of materials.
release: $(STAMP)
	$(PY) -m release.publish

# The environment stays: it takes minutes to make. `rm -r .venv` removes it.
clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +

$(STAMP): requirements.lock setup.cfg pyproject.toml
	test -x $(PY) || $(PYTHON) -m release.lock check $(if $(UNLOCKED),--unlocked)
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PY) -m release.lock install $(if $(UNLOCKED),--unlocked)
	touch $@
