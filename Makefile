# Five commands. All need Python 3.11 or newer and a package index, and make what else they need in $(VENV).
#
#   make demo    trains LeNet on real digits, tests it, classifies with it, draws what happened
#   make test    runs every check of the project: style, types, import rules, generated files, tests
#   make cuda-sim  runs the tests of the GPU's kernels in Numba's simulator (`make test` does it too)
#   make docs    builds the documentation as a site in site/
#   make fuzz    reads damaged files of every kind for ten CPU minutes; none may crash, hang or eat memory

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin

export NO_MKDOCS_2_WARNING := 1

# glibc raises the size from which arrays have pages of their own once large ones were freed; zeros below it are written,
# and nets of full size that are only looked at would be, too: half a minute.
test: export MALLOC_MMAP_THRESHOLD_ := 4194304
test: export MALLOC_TRIM_THRESHOLD_ := 67108864

.PHONY: demo test cuda-sim docs fuzz

demo: $(VENV)/.examples
	$(BIN)/caffelike demo

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/build_schema.py --check
	$(BIN)/mkdocs build --strict --quiet --site-dir $(VENV)/site
	$(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal

cuda-sim: $(VENV)/.dev
	NUMBA_ENABLE_CUDASIM=1 $(BIN)/pytest -m gpu

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

fuzz: $(VENV)/.dev
	$(BIN)/python tools/fuzz.py

# The environment with one of pyproject.toml's extras; made anew when that file changes. Python compiles what it imports:
# pip would compile all there is, for half a minute.
$(VENV)/.%: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: name it with make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --editable ".[$*]"
	@touch $@
