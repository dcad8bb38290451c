# memseal: `make demo` shows it work, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PRESET ?= release
JOBS ?= $(shell nproc)

.PHONY: help deps build deb demo smoke canary canary-replay test unit chaos backup-drill bench regress stack-up stack-down fmt lint fuzz clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'
	@echo "  variables: PRESET=release|cuda|dev|tsan|coverage   BENCH=<id> (for bench)   TESTS=<words> (for test)"

deps: ## Install what the build and the program need
	@scripts/deps

build: deps ## Build build/$(PRESET)/memseal
	@[ $(PRESET) != cuda ] || scripts/deps --cuda --quiet
	@cmake --preset $(PRESET) -DMEMSEAL_TESTS=OFF >build-$(PRESET).log 2>&1 || { cat build-$(PRESET).log; exit 1; }
	@rm -f build-$(PRESET).log
	@cmake --build --preset $(PRESET) --target memseal -j $(JOBS)

deb: build ## Build Debian packages of the program and of the model into build/deb, for this release of Debian
	@cpack --config build/$(PRESET)/CPackConfig.cmake -B build/deb >build/deb.log || { cat build/deb.log; exit 1; }
	@ls build/deb/*.deb

demo: ## Install, build, start everything, index real text for two users, ask questions, show the answers
	@scripts/deps --quiet
	@scripts/demo

smoke: ## Start the demo's deployment, check it from outside by 13 checks as two users, stop it
	@scripts/deps --quiet
	@scripts/smoke

canary: ## Two releases behind HAProxy, one fails: see it taken back; FAULT=errors|cut|gone|crash|rls|slow|none
	@scripts/deps --test --quiet
	@FAULT=$(FAULT) scripts/canary

canary-replay: ## 2,000 simulated clean rollouts, then every fault RUNS times (20, two hours) on real ones
	@scripts/deps --test --quiet
	@cmake --preset release -DMEMSEAL_TESTS=ON >/dev/null
	@cmake --build --preset release --target policy_test -j $(JOBS) >/dev/null
	@MEMSEAL_CANARY_ROLLOUTS=1000 build/release/tests/policy_test --gtest_filter='CanarySimulation.*'
	@FAULT=all RUNS=$(or $(RUNS),20) scripts/canary

test: ## Install, build, start what the tests need, run all tests; TESTS=<words> runs some
	@scripts/deps --test --quiet
	@scripts/test $(TESTS)

unit: ## Build and run the unit tests only; PRESET=dev with ASan and UBSan, PRESET=tsan with TSan
	@scripts/deps --test
	@scripts/test unit-$(PRESET)

chaos: ## Kill and disturb everything while events come in: nothing may be lost; KILLS=1000 SECONDS= SEED=
	@scripts/deps --test --quiet
	@KILLS=$(KILLS) SECONDS=$(SECONDS) SEED=$(SEED) scripts/chaos

backup-drill: ## Fill a database, back it up, destroy it, restore it, ask it a question; CHUNKS=100000
	@scripts/deps --test --quiet
	@CHUNKS=$(CHUNKS) scripts/backup-drill

bench: ## Measure the figures of README.md; BENCH=<id> measures one, BENCH_SAVE=1 keeps the result
	@scripts/deps --bench
	@scripts/bench $(BENCH)

regress: ## Measure the quick figures again and again; fails where one is slower than bench/baseline says (RECORD=1 writes that)
	@scripts/deps --bench
	@tools/regress.py $(if $(RECORD),--record)

stack-up: ## Start PostgreSQL, Redis and Kafka on free loopback ports, data under .local/dev
	@scripts/deps --quiet
	@scripts/stack up

stack-down: ## Stop PostgreSQL, Redis and Kafka; their data stays
	@scripts/stack down

fmt: ## Format the sources
	@git ls-files '*.cpp' '*.hpp' | xargs $$(command -v clang-format clang-format-14 | head -n 1) -i

lint: ## Check layers, includes, headers, log events, form; REDRAW=1 draws docs/architecture.svg again
	@scripts/deps --test --quiet
	@MEMSEAL_REDRAW=$(REDRAW) scripts/test tidy

fuzz: ## Fuzz every parser for SECONDS (60) each
	@scripts/fuzz $(SECONDS)

clean: ## Remove build/; .deps/ and .local/ stay
	@rm -rf build
