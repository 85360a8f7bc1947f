# SPDX-License-Identifier: Apache-2.0
# The front door; CMakePresets.json and CMakeLists.txt do the work. `make help` lists the targets.
.POSIX:
.PHONY: all prepare build run test unit e2e lint fuzz asan tsan coverage verify-long bench budgets install uninstall \
	dist deb sbom clean help

PREFIX = /usr/local
DESTDIR =
BUILD = build
KINDS = unit e2e
TEST =
CONFIGURE = cmake --log-level=WARNING --preset
COMPILE = cmake --build

all: build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

$(BUILD)/.packages: scripts/packages.txt
	@scripts/install-packages build
	@mkdir -p $(BUILD) && touch $@

$(BUILD)/.packages-test: scripts/packages.txt
	@scripts/install-packages build test
	@mkdir -p $(BUILD) && touch $@

$(BUILD)/.packages-deb: scripts/packages.txt
	@scripts/install-packages build deb
	@mkdir -p $(BUILD) && touch $@

$(BUILD)/.packages-lint: scripts/packages.txt
	@scripts/install-packages build test lint deb
	@mkdir -p $(BUILD) && touch $@

$(BUILD)/.packages-long: scripts/packages.txt
	@scripts/install-packages long
	@mkdir -p $(BUILD) && touch $@

$(BUILD)/.npm: tests/e2e/package-lock.json tests/e2e/clients/package-lock.json tests/e2e/inference/package-lock.json \
		tests/e2e/agents/package-lock.json tests/e2e/schemas/package-lock.json \
		tests/e2e/browser/package-lock.json $(BUILD)/.packages-test
	@npm --prefix tests/e2e ci --silent --no-audit --no-fund
	@cd tests/e2e/clients && npm ci --silent --no-audit --no-fund
	@cd tests/e2e/inference && npm ci --silent --no-audit --no-fund
	@cd tests/e2e/schemas && npm ci --silent --no-audit --no-fund
	@cd tests/e2e/browser && npm ci --silent --no-audit --no-fund
	@cd tests/e2e/agents && npm ci --silent --no-audit --no-fund
	@touch $@

build: $(BUILD)/.packages ## the release binary, build/enginelabs-2api
	@[ -f $(BUILD)/release/build.ninja ] || $(CONFIGURE) release >/dev/null
	@$(COMPILE) $(BUILD)/release --target enginelabs-2api -- --quiet
	@cmp -s $(BUILD)/release/enginelabs-2api $(BUILD)/enginelabs-2api || \
		install -m 755 $(BUILD)/release/enginelabs-2api $(BUILD)/enginelabs-2api

run: build ## build and start; without a cookie on the built-in simulator
	@exec $(BUILD)/enginelabs-2api serve --demo=auto

prepare: build $(BUILD)/.packages-lint $(BUILD)/.npm ## what the checks need

test: build $(BUILD)/.packages-test $(BUILD)/.npm ## every test: unit and end to end; one: TEST=test_reader, TEST=chat
	@if [ -n "$(TEST)" ]; then scripts/run-one "$(TEST)"; else scripts/run-tests dev; fi

unit: $(BUILD)/.packages-test ## the unit tests alone
	@scripts/run-tests dev unit

e2e: build $(BUILD)/.packages-test $(BUILD)/.npm ## the end-to-end tests alone
	@scripts/run-tests dev e2e

asan: $(BUILD)/.packages-test $(BUILD)/.npm ## every test under the address and undefined-behavior sanitizers
	@scripts/run-tests asan $(KINDS)

tsan: $(BUILD)/.packages-test ## the unit tests under the thread sanitizer
	@scripts/run-tests tsan unit

lint: build $(BUILD)/.packages-lint $(BUILD)/.npm ## layers, budgets, layout, static analysis
	@scripts/lint

fuzz: $(BUILD)/.packages-lint ## each fuzz target, FUZZ_SECONDS (10) seconds
	@scripts/run-fuzz

coverage: $(BUILD)/.packages-lint $(BUILD)/.npm ## branch coverage of all tests, by folder
	@scripts/run-coverage

verify-long: build $(BUILD)/.packages-lint $(BUILD)/.packages-long $(BUILD)/.npm ## what takes too long for each change: hours
	@scripts/verify-long

budgets: build $(BUILD)/.packages-test ## what one request more costs, held against bench/budgets.json
	@bench/budgets

bench: build $(BUILD)/.packages-test ## what requests cost beside nginx and others (BENCH=quick: 2 minutes)
	@bench/run

install: build ## program, manual pages, completions and service below DESTDIR/PREFIX
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) scripts/install-files install

uninstall: ## take them away again
	@DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) scripts/install-files uninstall

dist: ## the sources as a tarball that builds offline, build/enginelabs-2api-VERSION.tar.gz
	@scripts/make-dist

deb: build $(BUILD)/.packages-deb ## a Debian package, build/enginelabs-2api_VERSION_ARCH.deb
	@scripts/make-deb

sbom: build $(BUILD)/.packages-deb ## what the binary is linked to, build/enginelabs-2api.spdx.json
	@scripts/make-sbom $(BUILD)/enginelabs-2api >$(BUILD)/enginelabs-2api.spdx.json

clean: ## forget what was built
	rm -rf $(BUILD)
