# laravel, php ^8.2, composer

FROM php:8.4-cli AS base
ENV APP_ENV="production"
ENV PHP_CLI_SERVER_WORKERS="4"
WORKDIR /app
COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer
COPY --from=node:22-slim /usr/local/bin/node /usr/local/bin/node
COPY --from=node:22-slim /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=brainpod-apt,target=/var/cache/apt,sharing=locked ["sh", "/run/secrets/brainpod-tools", "--", "command -v unzip >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends unzip; }", "docker-php-ext-install gd", "command -v npm >/dev/null || ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm; command -v npx >/dev/null || ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx"]

FROM base AS deps
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-composer,target=/layers/cache/composer,sharing=locked --mount=type=cache,id=bp-scope-npm,target=/layers/cache/npm,sharing=locked ["sh", "/run/secrets/brainpod", "composer install --no-dev --no-interaction --no-progress --prefer-dist --optimize-autoloader", "--"]

FROM deps AS build
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-composer,target=/layers/cache/composer,sharing=locked --mount=type=cache,id=bp-scope-npm,target=/layers/cache/npm,sharing=locked ["sh", "/run/secrets/brainpod", "npm ci --include=dev --no-audit --no-fund --no-progress", "npm run build", "rm -rf node_modules", "php artisan event:cache", "php artisan route:cache", "php artisan view:cache", "--", ": inputs", "rm -rf -- .git"]

FROM php:8.4-cli
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=brainpod-apt,target=/var/cache/apt,sharing=locked ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd", "docker-php-ext-install gd"]
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV APP_ENV="production"
ENV PHP_CLI_SERVER_WORKERS="4"
ENV PORT="8080"
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "php artisan serve --host=0.0.0.0 --port=$PORT"]
