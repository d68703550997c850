# deno

FROM denoland/deno:2.1.4 AS base
ENV DENO_DIR="/layers/deps/deno"
ENV DENO_NO_UPDATE_CHECK="1"
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--"]

FROM base AS deps
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod", "deno cache server.ts", "--"]

FROM deps AS build
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod", "--", "rm -rf -- .git"]

FROM denoland/deno:2.1.4
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd"]
COPY --from=build --chown=1000:1000 /layers/deps /layers/deps
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV DENO_DIR="/layers/deps/deno"
ENV DENO_NO_UPDATE_CHECK="1"
ENV PORT="8080"
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "deno run --allow-net --allow-env --allow-read server.ts"]
