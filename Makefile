# `make run` needs Python 3.11 or newer and Node, nothing else. Everything it installs stays in .venv and
# clients/web/node_modules, everything it keeps in .deskwire (or DESKWIRE_DATA_DIR).
.DEFAULT_GOAL := help
.PHONY: help run setup test test-server test-page test-e2e test-interop lint format gen eval bench chaos image clean
BIN := .venv/bin
export PYTHON
# A script of the page's package, where Node has brought its packages.
page = @cd clients/web && if [ -d node_modules ]; then npm run --silent $(1); else echo "$(1) of the page: Node is missing"; fi

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

# Through the helper that also ties children to the launcher, so that a killed make leaves nothing behind either.
run: setup ## Start everything on this machine; Ctrl-C stops it
	@exec $(BIN)/python -I -S server/deskwire_server/stack/_exec.py "{\"parent\": $$PPID, \"signal\": 15}" $(BIN)/deskwire run

setup: ## Make or renew the environment and the page (`run` and `test` do it by themselves)
	@scripts/setup.sh

test: test-server test-page test-e2e ## Run all tests

test-server: setup
	$(BIN)/pytest -n 2 tests/unit tests/store tests/rpc

test-page: setup
	$(call page,test)

test-e2e: setup
	$(BIN)/pytest tests/e2e

test-interop: setup ## Test the providers against the LiteLLM proxy, in an environment of its own
	scripts/interop.sh

lint: setup ## Check style, types, the contract, and that generated code is fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict server/deskwire_server
	scripts/gen.sh --check
	$(call page,check)
	$(call page,lint)

format: setup ## Put code and contract into their standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write

gen: setup ## Generate stubs, descriptor set and reference from protos/
	scripts/gen.sh

eval: setup ## Measure retrieval and answers on the development questions (DESKWIRE_EVAL_DATA)
	$(BIN)/python -m benchmarks.eval

chaos: setup ## Faults of a seed under load, nothing lost or doubled (SEED, KILLS, TURNS, PROFILE, REPORT)
	$(BIN)/python -m benchmarks.chaos --seed $(or $(SEED),1) --kills $(or $(KILLS),30) \
		$(if $(TURNS),--turns $(TURNS)) $(if $(PROFILE),--profile $(PROFILE)) $(if $(REPORT),--report $(REPORT))

bench: setup ## Measure speed, cost and memory beside simpler programs; renews docs/benchmarks.md (about 8 minutes)
	$(BIN)/python -m benchmarks.bench --write $(BENCH)

image: ## Run the Dockerfile's steps in an empty folder, where no Docker engine is at hand
	scripts/image-steps.sh

clean: ## Remove the environment, the page's packages and caches; keeps the data
	rm -rf .venv clients/web/node_modules clients/web/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find server tests clients generated -name __pycache__ -type d -prune -exec rm -rf {} +
