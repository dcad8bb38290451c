# memseal: `make demo` shows it work, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PRESET ?= release
JOBS ?= $(shell nproc)

.PHONY: help deps build demo test unit bench stack-up stack-down fmt lint fuzz clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'
	@echo "  variables: PRESET=release|cuda|dev|tsan|coverage   BENCH=<id> (for bench)   TESTS=<words> (for test)"

deps: ## Install what building and running need
	@scripts/deps

build: deps ## Build build/$(PRESET)/memseal
	@[ $(PRESET) != cuda ] || scripts/deps --cuda --quiet
	@cmake --preset $(PRESET) -DMEMSEAL_TESTS=OFF >build-$(PRESET).log 2>&1 || { cat build-$(PRESET).log; exit 1; }
	@rm -f build-$(PRESET).log
	@cmake --build --preset $(PRESET) --target memseal -j $(JOBS)

demo: ## Install, build, start everything, index real text for two users, ask, show the streams
	@scripts/deps --quiet
	@scripts/demo

test: ## Install, build, start what the tests need, run all of them
	@scripts/deps --test --quiet
	@scripts/test $(TESTS)

unit: ## Build and run the unit tests only (PRESET=dev for ASan+UBSan, tsan for TSan)
	@scripts/deps --test
	@scripts/test unit-$(PRESET)

bench: ## Measure the figures of README.md; BENCH=<id> for one
	@scripts/deps --bench
	@scripts/bench $(BENCH)

stack-up: ## Start PostgreSQL, Redis and Kafka on free loopback ports under .local/
	@scripts/deps --quiet
	@scripts/stack up

stack-down: ## Stop them
	@scripts/stack down

fmt: ## Format the sources
	@git ls-files '*.cpp' '*.hpp' | xargs $$(command -v clang-format clang-format-14 | head -n 1) -i

lint: ## Check layers, includes, headers, log events, form; REDRAW=1 draws docs/architecture.svg again
	@scripts/deps --test --quiet
	@MEMSEAL_REDRAW=$(REDRAW) scripts/test tidy

fuzz: ## Fuzz every target for SECONDS (60) each
	@scripts/fuzz $(SECONDS)

clean: ## Remove what was built; keep .deps and .local
	@rm -rf build
