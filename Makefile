# make demo | test | check | bench: see README.rst; the others: CONTRIBUTING.rst
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := $(CURDIR)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check bench soak chaos mutants docs news clean

# The stamps are remade when the requirements change.
$(VENV)/.demo: setup.cfg pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing gdemoi and its libraries into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: setup.cfg pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing gdemoi with its test extras into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.mutants: $(VENV)/.test
	@$(BIN)/python -m pip install --quiet --editable '.[mutants]'
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/python -m gdemoi.sandbox.demo $(if $(ONCE),--once)

test: $(VENV)/.test
	@$(BIN)/python -m pytest -q

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/towncrier build --draft --version next >$(VENV)/news.txt 2>&1 || { cat $(VENV)/news.txt; exit 1; }

docs: $(VENV)/.test
	@$(BIN)/python -m docs.reference

news: $(VENV)/.test
	@$(BIN)/towncrier build --draft --version next

# ONLY="http8 quorum" SIZE=0.1 SAMPLES=1 PEERS=1 BASE=commit JSON=file BESIDE=file
bench: $(VENV)/.test
	@$(BIN)/python -m bench $(if $(ONLY),--only "$(ONLY)") $(if $(SIZE),--size $(SIZE)) \
	    $(if $(SAMPLES),--samples $(SAMPLES)) $(if $(PEERS),--peers) \
	    $(if $(BASE),--base $(BASE)) $(if $(JSON),--json $(JSON)) \
	    $(if $(BESIDE),--beside $(BESIDE))

# COUNT=1000000 RATE=1000, or ONLY=codec | smpp | goip
soak: $(VENV)/.test
	@$(BIN)/python -m bench.soak $(if $(ONLY),--only $(ONLY)) $(if $(COUNT),--count $(COUNT)) \
	    $(if $(RATE),--rate $(RATE)) $(if $(HOURS),--hours $(HOURS))

# FAULTS=200 MESSAGES=100000 MINUTES=10 SEED=number KEEP=folder ONLY="SMSC killed", or SHORT=1
chaos: $(VENV)/.test
	@$(BIN)/python -m chaos $(if $(SHORT),--short) $(if $(FAULTS),--faults $(FAULTS)) \
	    $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(MINUTES),--minutes $(MINUTES)) \
	    $(if $(SEED),--seed $(SEED)) $(if $(KEEP),--keep $(KEEP)) $(if $(ONLY),--only "$(ONLY)")

# a sample of each package; ARGS="text", ARGS="goip.lines": all mutants of it
mutants: $(VENV)/.mutants
	@$(BIN)/python .ci/mutants.py $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info bench/bin
