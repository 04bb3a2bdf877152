# Targets for people and for CI; the build itself is Meson's (meson.build). `make` alone lists them.

BUILD := build/release
MODEL ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run build test debug asan tsan lint format clean setup setup-test setup-lint

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10 | sed 's/^/  make /'

run: build ## build, then serve the embedded model on 127.0.0.1:8080 (MODEL=dir, ARGS="--port 80 ...")
	@exec $(BUILD)/linnet serve $(ARGS) $(MODEL)

build: setup $(BUILD)/build.ninja ## build the release: build/release/linnet, linnet-pyworker, liblinnet.a
	@ninja -C $(BUILD) --quiet products

test: setup-test $(BUILD)/.tests ## build, then run every test
	@tests/run $(BUILD)

debug: setup-test build/debug/.tests ## build/debug: no optimisation, all tests built
	@ninja -C build/debug --quiet

# What computes a lot is left to make test: lighter tests walk the same code.
asan: setup-test build/asan/.tests ## build/asan with AddressSanitizer and UBSan, then run the tests with it
	@LINNET_FUZZ_LINES=20000 tests/run build/asan tests -m "not heavy"

tsan: setup-test build/tsan/.tests ## build/tsan with ThreadSanitizer, then run what has threads with it
	@tests/run build/tsan tests/http tests/service tests/golden/test_pipeline.py -m "not heavy"

lint: setup-lint build/lint/build.ninja ## check the format (clang-format) and the code (clang-tidy, clang's warnings)
	@tools/lint build/lint

format: setup-lint ## rewrite the sources in the project's format
	@git ls-files '*.c' '*.h' | grep -v unicode_tables.c | xargs clang-format -i

clean: ## remove everything that was built
	rm -rf build

setup:
	@tools/setup build
setup-test:
	@tools/setup build test
setup-lint:
	@tools/setup build test lint

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
