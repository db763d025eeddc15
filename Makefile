# What one types here. `make` alone lists the targets. Everything else is cargo.
#
#   make run     try it: SQLite, the rules in rules/, this machine's Docker if there is one
#   make test    all tests, against real servers of their own
#   make lint    formatting, clippy, docs, dependencies: no warnings
#   make bench   measures how fast and how small fettle is (QUICK=1: shorter and rougher; ONLY=flood,start: these rows)

MAKEFLAGS += --no-print-directory
.PHONY: help run test lint bench
.DEFAULT_GOAL := help

# Where cargo builds; another place by CARGO_TARGET_DIR.
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

help:
	@sed -n 's/^#   //p' $(firstword $(MAKEFILE_LIST))

# The dev build: ready in half the time of a release build, and fast enough to look around.
run:
	cargo run -- serve --config fettle.yaml

test:
	scripts/test-deps
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --all-targets; else cargo test --all-targets; fi
	cargo test --doc
	cargo test --manifest-path bench/Cargo.toml --target-dir $(TARGET)

lint:
	cargo fmt --check
	cargo fmt --check --manifest-path bench/Cargo.toml
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --manifest-path bench/Cargo.toml --target-dir $(TARGET) -- -D warnings
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
