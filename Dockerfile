# fettle's image, and that of the sample service (target `arcanum`).
#
#   docker build -t fettle .
#   docker build -t arcanum --target arcanum .
#
# No BuildKit needed, and no shell in the result. The binaries are linked to glibc, so a base must have it (and, for TLS to
# elsewhere, the certificates of the world): another one by --build-arg BASE=debian:bookworm-slim.
ARG RUST=rust:1.95-slim-bookworm
ARG BASE=gcr.io/distroless/cc-debian12:nonroot
# Its logs are cleaned by programs of its own image: find, stat, truncate, df.
ARG ARCANUM_BASE=debian:bookworm-slim

FROM ${RUST} AS builder
WORKDIR /src
# The dependencies first: this layer stays until they change.
COPY Cargo.toml Cargo.lock ./
COPY crates/core/Cargo.toml crates/core/
COPY crates/docker/Cargo.toml crates/docker/
COPY crates/engine/Cargo.toml crates/engine/
COPY crates/predict/Cargo.toml crates/predict/
COPY crates/store/Cargo.toml crates/store/
COPY crates/upstream/Cargo.toml crates/upstream/
COPY bench/Cargo.toml bench/
COPY tests/fuzz/Cargo.toml tests/fuzz/
COPY tests/sim/Cargo.toml tests/sim/
RUN for crate in . crates/* bench tests/fuzz tests/sim; do mkdir -p "$crate/src" && touch "$crate/src/lib.rs" \
 && echo 'fn main() {}' > "$crate/src/main.rs"; done \
 && mkdir examples && echo 'fn main() {}' > examples/arcanum.rs \
 && cargo build --release --locked --bin fettle --example arcanum \
 && rm -r src examples crates/*/src
COPY crates crates
COPY src src
COPY examples examples
RUN touch src/main.rs src/lib.rs examples/arcanum.rs crates/*/src/lib.rs crates/store/build.rs \
 && cargo build --release --locked --bin fettle --example arcanum \
 && mkdir -p /out/data \
 && cp target/release/fettle target/release/examples/arcanum /out/

FROM ${ARCANUM_BASE} AS arcanum
LABEL org.opencontainers.image.title="arcanum" \
      org.opencontainers.image.description="The sample service of fettle's stack: it breaks when it is told to" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /out/arcanum /usr/local/bin/arcanum
ENV ARCANUM_LISTEN=0.0.0.0:8000
USER 65532:65532
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/local/bin/arcanum", "health"]
ENTRYPOINT ["/usr/local/bin/arcanum"]
CMD ["serve"]

FROM ${BASE} AS fettle
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fettle" \
      org.opencontainers.image.description="Alertmanager webhook receiver and remediation engine" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=builder /out/fettle /usr/local/bin/fettle
COPY LICENSE fettle.yaml /etc/fettle/
COPY rules /etc/fettle/rules
# The embedded database, where no other is configured.
COPY --from=builder --chown=65532:65532 /out/data /var/lib/fettle
ENV FETTLE_CONFIG=/etc/fettle/fettle.yaml
WORKDIR /var/lib/fettle
USER 65532:65532
EXPOSE 9876
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["/usr/local/bin/fettle", "health"]
ENTRYPOINT ["/usr/local/bin/fettle"]
CMD ["serve"]
