# Every target sets up .venv by itself; nothing outside of this folder is touched.
#   make test PYTHON=python3.12               another Python (3.10 or later)
#   MICROPYTHON=/path/to/micropython make test another MicroPython unix port
#   make test ARGS="-k ring -v"               arguments for what the target runs
#   make pico FIRMWARE=RPI_PICO-....uf2 BOOTROM=b1.bin [FILES=source|mpy|none] [SCENARIO=file]
#             [SECONDS=900] [UNTIL="registered 721"]     see tools/pico/README.md
#   make pico FIRMWARE=RPI_PICO-....uf2 BOOTROM=b1.bin REPL=1    prints a tty for make deploy
#   make deploy BOARD=RPI_PICO PORT=/dev/ttyACM0 [ARGS=--help]
#   make bench [FIRMWARE=RPI_PICO-....uf2 BOOTROM=b1.bin [FROZEN=frozen.uf2]]

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/pycache
export MPLCONFIGDIR := $(CURDIR)/.venv/matplotlib

.DEFAULT_GOAL := help
.PHONY: help demo deploy fleet fuzz pico test test-all soak bench lint setup clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile

demo: setup ## run the sensor node against the simulated module; no hardware needed
	@$(VENV_PYTHON) tools/demo.py $(ARGS)

deploy: setup ## put what changed onto a board and try it there: BOARD=RPI_PICO PORT=/dev/ttyACM0
	@$(VENV_PYTHON) -m deploy --board '$(BOARD)' --port '$(PORT)' $(ARGS)

fleet: setup ## simulate 100 000 nodes after an outage and a power cut
	@$(VENV_PYTHON) tools/fleet.py $(ARGS)

pico: ## run the node on an emulated Raspberry Pi Pico: FIRMWARE=RPI_PICO-....uf2 BOOTROM=b1.bin
	@$(PYTHON) tools/setup_env.py --npm
	@$(VENV_PYTHON) -m pico --firmware '$(FIRMWARE)' --bootrom '$(BOOTROM)' \
		--files '$(FILES)' --scenario '$(SCENARIO)' --seconds '$(SECONDS)' \
		--until '$(UNTIL)' $(if $(REPL),--repl) $(ARGS)

test: ## run the tests, but for those of test-all
	@$(PYTHON) tools/setup_env.py --npm
	@$(VENV_PYTHON) -m pytest -m "not slow" $(ARGS)

test-all: ## run the tests that take longer
	@$(PYTHON) tools/setup_env.py --npm
	@$(VENV_PYTHON) -m pytest -m slow $(ARGS)

soak: setup ## run the ladder through random worlds for DAYS=200000 simulated days
	@$(VENV_PYTHON) tests/soak/soak.py $(ARGS)

fuzz: setup ## give the LwM2M client a million made-up datagrams; ARGS="--seed 2"
	@$(VENV_PYTHON) tools/fuzz.py $(ARGS)

bench: ## measure time and heap against their budgets, on a virtual Pico too: FIRMWARE=... BOOTROM=...
	@$(PYTHON) tools/setup_env.py --npm
	@$(VENV_PYTHON) tests/bench/bench.py --firmware '$(FIRMWARE)' --bootrom '$(BOOTROM)' \
		--frozen '$(FROZEN)' $(ARGS)

lint: setup ## check style only
	@$(VENV_PYTHON) -m ruff check --quiet .
	@$(VENV_PYTHON) -m ruff format --check --quiet .

setup: ## set up .venv, or find that it is in order
	@$(PYTHON) tools/setup_env.py

clean: ## remove everything that was made here
	rm -rf .venv build .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
