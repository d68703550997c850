# axum, rust 1.75, cargo

FROM rust:1.75-bookworm AS base
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--"]

FROM base AS deps
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-cargo,target=/layers/cache/cargo,sharing=locked --mount=type=cache,id=bp-scope-cargo-target,target=/layers/cache/cargo-target,sharing=locked ["sh", "/run/secrets/brainpod", "cargo fetch --locked", "--"]

FROM deps AS build
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-cargo,target=/layers/cache/cargo,sharing=locked --mount=type=cache,id=bp-scope-cargo-target,target=/layers/cache/cargo-target,sharing=locked ["sh", "/run/secrets/brainpod", "cargo build --release --locked --bin api", "install -D \"$CARGO_TARGET_DIR/release/api\" bin/api", "--", ": inputs", "rm -rf -- .git"]

FROM buildpack-deps:bookworm-curl
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd"]
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV PORT="8080"
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "./bin/api"]
