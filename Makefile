# What one types here. `make` alone lists the targets. Everything else is cargo.
#
#   make run     try it: SQLite, the rules in rules/, this machine's Docker if there is one
#   make test    all tests, against real servers of their own
#   make lint    formatting, clippy, docs, dependencies: no warnings
#   make sim     tries to break the shipped engine: SEEDS=n schedules from seed START=s on all cores
#   make sim-mutants   breaks core and engine on purpose, one line at a time: the simulator must find each
#   make fuzz    broken rules, matchers and webhook bodies, changed at random: SECONDS=60 for each of the three
#   make schemas   writes the committed JSON Schemas anew
#   make bench   measures how fast and how small fettle is (QUICK=1: shorter and rougher; ONLY=flood,start: these rows)

MAKEFLAGS += --no-print-directory
.PHONY: help run test lint bench sim sim-mutants fuzz schemas
.DEFAULT_GOAL := help

# Where cargo builds; another place by CARGO_TARGET_DIR.
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# The simulator runs optimised, with every assertion on.
SIM := -p fettle-sim --profile checked

# As the simulator, over the sources of what reads.
FUZZ := --manifest-path tests/fuzz/Cargo.toml --target-dir $(TARGET)

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

# The dev build: ready in half the time of a release build, and fast enough to look around.
run:
	cargo run -- serve --config fettle.yaml

test:
	scripts/test-deps
	cargo build --example arcanum
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --all-targets; else cargo test --all-targets; fi
	cargo test --doc
	cargo test --manifest-path bench/Cargo.toml --target-dir $(TARGET)
	cargo test $(SIM)

lint:
	cargo fmt --check
	cargo fmt --check --manifest-path bench/Cargo.toml
	cargo fmt --check -p fettle-sim
	cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --manifest-path bench/Cargo.toml --target-dir $(TARGET) -- -D warnings
	cargo clippy --bins --tests $(SIM) -- -D warnings
	cargo clippy --bins $(FUZZ) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items
	@if cargo deny --version >/dev/null 2>&1; then \
		cargo deny --config .ci/deny.toml check bans licenses sources; \
	else echo "cargo-deny is not installed: dependencies not checked"; fi

# Two release builds (fettle with its examples, and the bench beside it), then about half an hour of measuring.
bench:
	scripts/test-deps
	cargo build --release --bins --examples
	cargo build --release --manifest-path bench/Cargo.toml --target-dir $(TARGET)
	$(TARGET)/release/fettle-bench run $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(TARGET)/release/fettle

SEEDS ?= 200000
START ?= 0
sim:
	@cargo build --quiet $(SIM)
	@$(TARGET)/checked/sim $(SEEDS) $(START)

# Each change is a build of what depends on it, and schedules until it is found: a minute or two.
sim-mutants:
	@cargo build --quiet $(SIM)
	@CARGO_TARGET_DIR=$(TARGET) $(TARGET)/checked/sim mutants

# Optimised, with every assertion on; on all cores.
SECONDS ?= 60
fuzz:
	@cargo build --quiet $(FUZZ)
	@$(TARGET)/debug/fuzz $(SECONDS)

schemas:
	cargo build --bin fettle
	$(TARGET)/debug/fettle schema rules > rules/schema.json
	$(TARGET)/debug/fettle schema tests > rules/test.schema.json
	$(TARGET)/debug/fettle schema config > fettle.schema.json
