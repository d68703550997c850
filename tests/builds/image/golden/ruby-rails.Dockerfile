# rails, ruby 3.2.2, bundler

FROM ruby:3.2.2 AS base
ENV RACK_ENV="production"
ENV BUNDLE_PATH="/layers/deps/bundle"
ENV BUNDLE_WITHOUT="development:test"
ENV BUNDLE_DEPLOYMENT="1"
ENV RAILS_ENV="production"
ENV RAILS_LOG_TO_STDOUT="1"
ENV RAILS_SERVE_STATIC_FILES="1"
WORKDIR /app
COPY --from=node:22-slim /usr/local/bin/node /usr/local/bin/node
COPY --from=node:22-slim /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=brainpod-apt,target=/var/cache/apt,sharing=locked ["sh", "/run/secrets/brainpod-tools", "--", "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libpq-dev && rm -rf /var/lib/apt/lists/*", "command -v yarn >/dev/null || npm install --global --silent --force yarn@1"]

FROM base AS deps
COPY ["Gemfile.lock", "Gemfile", "./"]
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-bundle,target=/layers/cache/bundle,sharing=locked --mount=type=cache,id=bp-scope-yarn,target=/layers/cache/yarn,sharing=locked ["sh", "/run/secrets/brainpod", "bundle install", "--"]

FROM deps AS build
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-bundle,target=/layers/cache/bundle,sharing=locked --mount=type=cache,id=bp-scope-yarn,target=/layers/cache/yarn,sharing=locked ["sh", "/run/secrets/brainpod", "yarn install --frozen-lockfile --production=false", "bundle exec bootsnap precompile app/ lib/", "SECRET_KEY_BASE_DUMMY=1 bundle exec rails assets:precompile", "rm -rf node_modules", "--", ": inputs", "rm -rf -- .git"]

FROM ruby:3.2.2-slim
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=brainpod-apt,target=/var/cache/apt,sharing=locked ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd", "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libpq-dev && rm -rf /var/lib/apt/lists/*"]
COPY --from=build --chown=1000:1000 /layers/deps /layers/deps
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV RACK_ENV="production"
ENV BUNDLE_PATH="/layers/deps/bundle"
ENV BUNDLE_WITHOUT="development:test"
ENV BUNDLE_DEPLOYMENT="1"
ENV RAILS_ENV="production"
ENV RAILS_LOG_TO_STDOUT="1"
ENV RAILS_SERVE_STATIC_FILES="1"
ENV PORT="8080"
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "bundle exec rails server -b 0.0.0.0 -p $PORT"]
