# phoenix, elixir 1.16.2, erlang 26.2.4, mix

FROM elixir:1.16.2 AS base
ENV MIX_ENV="prod"
ENV LANG="C.UTF-8"
ENV PHX_SERVER="true"
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--"]

FROM base AS deps
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-mix,target=/layers/cache/mix,sharing=locked ["sh", "/run/secrets/brainpod", "mix local.hex --force --if-missing && mix local.rebar --force --if-missing", "mix deps.get --only prod", "--"]

FROM deps AS build
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-mix,target=/layers/cache/mix,sharing=locked ["sh", "/run/secrets/brainpod", "mix deps.compile", "mix compile", "mix assets.deploy", "mix release --overwrite", "--", ": inputs", "rm -rf -- .git"]

FROM elixir:1.16.2-slim
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd"]
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV MIX_ENV="prod"
ENV LANG="C.UTF-8"
ENV PHX_SERVER="true"
ENV PORT="8080"
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "_build/prod/rel/shop/bin/shop start"]
