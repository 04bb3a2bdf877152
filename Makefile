# Targets for people and for CI; the build itself is Meson's (meson.build). `make` alone lists them.

BUILD := build/release
MODEL ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run build test exhaustive debug asan tsan lint format clean bench-compare bench-locust-ui setup setup-test setup-lint setup-bench

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18 | sed 's/^/  make /'

run: build ## build, then serve the embedded model on 127.0.0.1:8080 (MODEL=dir, ARGS="--port 80 ...")
	@exec $(BUILD)/linnet serve $(ARGS) $(MODEL)

build: setup $(BUILD)/build.ninja ## build the release: build/release/linnet, linnet-pyworker, liblinnet.a
	@ninja -C $(BUILD) --quiet products

test: setup-test $(BUILD)/.tests ## build, then run every test
	@tests/run $(BUILD) --beside 2

exhaustive: setup-test $(BUILD)/.tests ## the tokenizer against its oracle: every character through every part, 200,000 random lines a kind (an hour)
	@LINNET_EXHAUSTIVE=1 LINNET_FUZZ_LINES=8000000 tests/run $(BUILD) tests/text

debug: setup-test build/debug/.tests ## build/debug: no optimisation, all tests built
	@ninja -C build/debug --quiet

# What computes a lot is left to make test: lighter tests walk the same code. So is what holds the benchmarks' Python and the page.
asan: setup-test build/asan/.tests ## build/asan with AddressSanitizer and UBSan, then run the tests with it
	@LINNET_FUZZ_LINES=20000 tests/run build/asan --beside 2 tests --ignore=tests/bench --ignore=tests/browser -m "not heavy"

tsan: setup-test build/tsan/.tests ## build/tsan with ThreadSanitizer, then run what has threads with it
	@tests/run build/tsan --beside 2 tests/http tests/service tests/golden/test_pipeline.py -m "not heavy"

lint: setup-lint build/lint/build.ninja ## check the format (clang-format) and the code (clang-tidy, clang's warnings)
	@tools/lint build/lint

format: setup-lint ## rewrite the sources in the project's format
	@git ls-files '*.c' '*.h' | grep -v unicode_tables.c | xargs clang-format -i

COMPARE = bench/compare/start $(if $(QUICK),--quick) $(if $(FULL),--full) $(if $(PUBLISH),--publish) \
	$(if $(CONTESTANTS),--contestants '$(CONTESTANTS)') $(if $(DEVICE),--device '$(DEVICE)') $(if $(MODEL),--model '$(MODEL)')

bench-compare: build setup-bench ## Python, Rust and C services under the same load (QUICK=1, FULL=1, CONTESTANTS=a,b, MODEL=dir, DEVICE=cuda:0, PUBLISH=1)
	@$(COMPARE)

bench-locust-ui: build setup-bench ## locust's web interface in front of one of them (CONTESTANTS=linnet)
	@$(COMPARE) --locust-ui

clean: ## remove everything that was built
	rm -rf build

setup:
	@tools/setup build
setup-test:
	@tools/setup build test
setup-lint:
	@tools/setup build test lint
setup-bench:
	@tools/setup bench

$(BUILD)/build.ninja:
	meson setup $(BUILD) --buildtype=release -Dtests=disabled

$(BUILD)/.tests: | $(BUILD)/build.ninja
	meson configure $(BUILD) -Dtests=enabled
	@touch $@

build/debug/.tests:
	meson setup build/debug --buildtype=debug -Dtests=enabled
	@touch $@

build/asan/.tests:
	meson setup build/asan --buildtype=debugoptimized -Dtests=enabled -Db_sanitize=address,undefined -Db_lundef=false
	@touch $@

build/tsan/.tests:
	meson setup build/tsan --buildtype=debugoptimized -Dtests=enabled -Db_sanitize=thread -Db_lundef=false
	@touch $@

build/lint/build.ninja:
	CC=clang meson setup build/lint --buildtype=debugoptimized -Dtests=enabled
