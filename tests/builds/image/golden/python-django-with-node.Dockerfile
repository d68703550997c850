# django, python, pip

FROM python:3.13 AS base
ENV PYTHONUNBUFFERED="1"
WORKDIR /app
COPY --from=node:22-slim /usr/local/bin/node /usr/local/bin/node
COPY --from=node:22-slim /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "command -v uv >/dev/null || python3 -m pip install --quiet --no-cache-dir --break-system-packages uv", "command -v npm >/dev/null || ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm; command -v npx >/dev/null || ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx"]

FROM base AS deps
COPY ["requirements.txt", "./"]
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-uv,target=/layers/cache/uv,sharing=locked --mount=type=cache,id=bp-scope-npm,target=/layers/cache/npm,sharing=locked ["sh", "/run/secrets/brainpod", "uv venv --quiet --relocatable --clear --python \"$(readlink -f \"$BRAINPOD_PYTHON\")\" \"$VIRTUAL_ENV\"", "uv pip install --compile-bytecode --requirement requirements.txt", "--"]

FROM deps AS build
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-uv,target=/layers/cache/uv,sharing=locked --mount=type=cache,id=bp-scope-npm,target=/layers/cache/npm,sharing=locked ["sh", "/run/secrets/brainpod", "npm install --include=dev --no-package-lock --no-audit --no-fund --no-progress", "npm run build", "rm -rf node_modules", "--", ": inputs", "python -m compileall -q -j 0 --invalidation-mode unchecked-hash . >/dev/null 2>&1 || true", "rm -rf -- .git"]

FROM python:3.13-slim
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd"]
COPY --from=build --chown=1000:1000 /layers/deps /layers/deps
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV PYTHONUNBUFFERED="1"
ENV PORT="8080"
ENV PATH=/layers/deps/venv/bin:$PATH
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "gunicorn shop.wsgi --bind 0.0.0.0:$PORT"]
