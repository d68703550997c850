# fastapi, python, pip

FROM python:3.13 AS base
ENV PYTHONUNBUFFERED="1"
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "command -v uv >/dev/null || python3 -m pip install --quiet --no-cache-dir --break-system-packages uv"]

FROM base AS deps
COPY ["requirements.txt", "./"]
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-uv,target=/layers/cache/uv,sharing=locked ["sh", "/run/secrets/brainpod", "uv venv --quiet --relocatable --clear --python \"$(readlink -f \"$BRAINPOD_PYTHON\")\" \"$VIRTUAL_ENV\"", "uv pip install --compile-bytecode --requirement requirements.txt", "--"]

FROM deps AS build
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-uv,target=/layers/cache/uv,sharing=locked ["sh", "/run/secrets/brainpod", "--", "python -m compileall -q -j 0 --invalidation-mode unchecked-hash . >/dev/null 2>&1 || true"]

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
CMD ["sh", "-c", "uvicorn main:api --host 0.0.0.0 --port $PORT"]
