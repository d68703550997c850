# jekyll, ruby, bundler

FROM ruby:3.4 AS base
ENV RACK_ENV="production"
ENV BUNDLE_PATH="/layers/deps/bundle"
ENV BUNDLE_WITHOUT="development:test"
ENV BUNDLE_DEPLOYMENT="1"
ENV JEKYLL_ENV="production"
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=brainpod-apt,target=/var/cache/apt,sharing=locked ["sh", "/run/secrets/brainpod-tools", "--", "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libffi-dev && rm -rf /var/lib/apt/lists/*"]

FROM base AS deps
COPY ["Gemfile.lock", "Gemfile", "./"]
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-bundle,target=/layers/cache/bundle,sharing=locked ["sh", "/run/secrets/brainpod", "bundle install", "--"]

FROM deps AS build
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-bundle,target=/layers/cache/bundle,sharing=locked ["sh", "/run/secrets/brainpod", "bundle exec jekyll build", "--", ": inputs", "rm -rf -- .git"]

FROM scratch AS output
COPY --from=build ["/app/_site/", "/"]
