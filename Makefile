# make        the quickstart study and its report
# make test   the tests, three at a time: some wait for a cluster
# make lint   format, style, rules and types
# make lock   envs/*.lock.txt anew, from PyPI
# make benchmark          speeds of everything: docs/benchmarks.md and its figure, in an hour and a half
# make benchmark QUICK=1  the main figures within 3 minutes, printed only
# make clean  forget the results (downloads and trained models included)
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
BIN := .venv/bin

# jobs run `python`: that of .venv, whatever the shell has
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: report test benchmark lint lock clean

report: .venv/ready
	@$(BIN)/snakemake --cores $(CORES) --quiet rules --configfile studies/quickstart.yaml
	@echo "The report: $(CURDIR)/reports/report.html"

test: .venv/ready-for-tests
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

benchmark: .venv/ready-for-tests
	$(BIN)/python tests/benchmarks/run.py $(if $(filter-out 0,$(QUICK)),--quick)

lint: .venv/ready-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint --configfile studies/quickstart.yaml
	$(BIN)/mypy

# uv stays out of the environment that the versions are tested in
lock: .venv/ready
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	PATH="$(CURDIR)/.venv/lock/bin:$$PATH" $(CURDIR)/$(BIN)/python workflow/scripts/lock.py

clean:
	find results reports -mindepth 1 ! -name .gitkeep -delete

# torch first, by its exact version: a plain `torch` would pull a CUDA build of several gigabytes
.venv/ready: envs/requirements.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}; choose another with: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' envs/requirements.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	@touch $@

.venv/ready-for-tests: .venv/ready tests/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@
