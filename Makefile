# What one types here. `make` alone lists the targets. Everything else is cargo.
#
#   make run     try it: SQLite, the rules in rules/, this machine's Docker if there is one
#   make test    all tests, against real servers of their own
#   make quick   what to run after each change: the tests that need no server
#   make lint    formatting, clippy, docs, dependencies: no warnings
#   make sim     tries to break the shipped engine: SEEDS=n schedules from seed START=s on all cores
#   make agreement   holds test, explain and replay against the shipped engine: SEEDS=n scenarios from seed START=s on all cores
#   make sim-mutants   breaks core and engine on purpose, one line at a time: the simulator must find each
#   make fuzz    broken rules, matchers and webhook bodies, changed at random: SECONDS=60 for each of the three
#   make schemas   writes the committed JSON Schemas anew
#   make bench   measures how fast and how small fettle is (QUICK=1: shorter and rougher; ONLY=flood,start: these rows)

MAKEFLAGS += --no-print-directory
.PHONY: help run test quick lint bench sim agreement sim-mutants fuzz schemas
.DEFAULT_GOAL := help

# Where cargo builds; another place by CARGO_TARGET_DIR.
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# nextest where it is installed, cargo's own runner otherwise.
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo cargo nextest run || echo cargo test)

# The simulator, the suite of agreement and the fuzzer run optimised, with every assertion on.
CHECKED := --profile checked

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

# The dev build: ready in half the time of a release build, and fast enough to look around.
run:
	cargo run -- serve --config fettle.yaml

test:
	@scripts/test-deps
	@scripts/steps \
		"cargo build --example arcanum --bin fettle" \
		"$(NEXTEST) --workspace --exclude fettle-sim --exclude fettle-agreement --all-targets" \
		"cargo test --workspace --doc" \
		"cargo test $(CHECKED) -p fettle-sim" \
		"cargo test $(CHECKED) -p fettle-agreement"

# What changes most: the crates' own tests and the store's on SQLite. After the first build it takes about a minute.
quick:
	@scripts/steps \
		"$(NEXTEST) --workspace --exclude fettle --exclude fettle-sim --exclude fettle-agreement --exclude fettle-bench" \
		"$(NEXTEST) -p fettle --lib" \
		"$(NEXTEST) -p fettle --test it -E 'test(/^store::.*::sqlite$$/) or test(/^imports::/)'" \
		"cargo run --quiet $(CHECKED) -p fettle-sim -- 2000"

lint:
	@scripts/steps \
		"cargo fmt --all --check" \
		"cargo clippy --workspace --all-targets -- -D warnings" \
		"RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items" \
		"scripts/deny"

# Two release builds (fettle with its examples, and the bench beside it), then about half an hour of measuring.
bench:
	scripts/test-deps
	cargo build --release -p fettle --bins --examples
	cargo build --release -p fettle-bench
	$(TARGET)/release/fettle-bench run $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(TARGET)/release/fettle

SEEDS ?= 200000
START ?= 0
sim:
	@cargo run --quiet $(CHECKED) -p fettle-sim -- $(SEEDS) $(START)

# A thousand take less than a minute on two cores.
agreement: SEEDS = 10000
agreement:
	@cargo run --quiet $(CHECKED) -p fettle-agreement -- $(SEEDS) $(START)

# Each change is a build and schedules until it is found: about half a minute.
sim-mutants:
	@CARGO_TARGET_DIR=$(TARGET) cargo run --quiet $(CHECKED) -p fettle-sim -- mutants

# On all cores.
SECONDS ?= 60
fuzz:
	@cargo run --quiet $(CHECKED) -p fettle-fuzz -- $(SECONDS)

schemas:
	cargo build --bin fettle
	$(TARGET)/debug/fettle schema rules > rules/schema.json
	$(TARGET)/debug/fettle schema tests > rules/test.schema.json
	$(TARGET)/debug/fettle schema config > fettle.schema.json
