# Everything sets itself up: the only things asked of the machine are Python >= 3.11 and make.
#
#   make demo          build what is missing, then run the webhook plug-in against a local server
#   make test          install what the suite needs, then run it; ARGS="-k kernel" narrows it
#   make test ENGINE=newest   the same with the newest wasmtime (or ENGINE=49.0.0): what would break?
#   make isolation     the promises of tests/spec with every plug-in in a worker process
#   make check         formatting, lint, types, the laws of the house
#   make fix           mend formatting and what the linter can mend
#   make interpreter   build the guest interpreter, or say where it is
#   make bench         measure beside upstream's package (see benchmarks/README.md); QUICK=1 roughly,
#                      ONLY=call,load some benchmarks, CASES=echo some cases
#   make conformance   run CPython's own tests inside a plug-in and natively (see conformance/README.md);
#                      ARGS="test_json test_re" some modules
#   make soak          everything again and again, and under faults; SIZE=10 a tenth of it (see soak/README.md)
#   make fuzz          everything that reads what strangers wrote, with what nobody would write; SIZE=10 as well
#   make wheel         dist/: our wheel and the data wheel of the guest interpreter
#   make clean         remove what make made here (caches of the user are left alone)

PYTHON ?= python3
ENGINE :=
SIZE   := 100
# Another engine lives in an environment of its own.
VENV   := .venv$(if $(ENGINE),-engine-$(ENGINE))
PEER   := .venv-peer
BIN    := $(VENV)/bin
PEER_VERSION := 1.1.1

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test isolation awaited check fix bench soak fuzz conformance interpreter engine wheel clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' $(MAKEFILE_LIST)

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed, this is " + sys.version.split()[0] + "; say make PYTHON=python3.12")'
	@echo "== making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "== installing extism and the compiler for its guest interpreter (some 100 MB)"
	@$(BIN)/python -m pip install --quiet --editable '.[build]'
	@touch $@

$(VENV)/.dev: $(VENV)/.installed pyproject.toml
	@echo "== installing the development tools"
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(PEER)/.made: Makefile
	@echo "== installing upstream's extism $(PEER_VERSION) into $(PEER), to compare with"
	@$(PYTHON) -m venv --clear $(PEER)
	@$(PEER)/bin/python -m pip install --quiet 'extism==$(PEER_VERSION)'
	@touch $@

interpreter: $(VENV)/.installed
	@$(BIN)/python -m extism._compiler.interpreter build

demo: $(VENV)/.installed interpreter
	@$(BIN)/python examples/webhook/demo.py

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/house

ifeq ($(ENGINE),)
test: $(VENV)/.dev $(PEER)/.made interpreter
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)
else
test: engine $(PEER)/.made interpreter
	PYTHONPATH=tests/support $(BIN)/pytest -p broken_by_file -n 2 --dist loadgroup $(ARGS)
endif

isolation: $(VENV)/.dev interpreter
	ISOLATED=all $(BIN)/pytest -n 2 --dist loadgroup tests/spec -k isolated $(ARGS)

# All promises, attacks and scenes with upstream, every call awaited; plugins in processes are awaited on threads.
awaited: $(VENV)/.dev $(PEER)/.made interpreter
	EXTISM_TEST_ACALL=1 $(BIN)/pytest -n 2 --dist loadgroup tests/spec tests/attack tests/peer -k 'not isolated' $(ARGS)
	EXTISM_TEST_TASKS=10000 $(BIN)/pytest -n 0 tests/hammer/test_hammer_awaits.py

# Looked up each time, pin or not; pip's complaint about the pin is what was asked for.
engine: $(VENV)/.dev
	@$(BIN)/python -m pip install --quiet --upgrade 'wasmtime$(if $(filter-out newest,$(ENGINE)),==$(ENGINE))' 2>&1 | grep -v 'is incompatible\|dependency conflicts' || true

fix: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev $(PEER)/.made interpreter
	@$(BIN)/python benchmarks/bench.py $(if $(ONLY),--only '$(ONLY)') $(if $(CASES),--cases '$(CASES)') $(if $(QUICK),--quick) $(ARGS)

conformance: $(VENV)/.installed interpreter
	@$(BIN)/python conformance/conformance.py $(ARGS)

soak: $(VENV)/.dev
	@$(BIN)/python -m soak --size $(SIZE) $(ARGS)

fuzz: $(VENV)/.dev $(PEER)/.made
	@$(BIN)/python -m fuzz --size $(SIZE) $(ARGS)

wheel: $(VENV)/.dev interpreter
	$(BIN)/python -m build --wheel --outdir dist .
	$(BIN)/python -m extism._compiler.interpreter --output dist wheel

clean:
	rm -rf $(VENV) .venv-engine-* $(PEER) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
