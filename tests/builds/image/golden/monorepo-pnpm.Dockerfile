# next, node 20, pnpm 9.4.0

FROM node:20 AS base
ENV NODE_ENV="production"
ENV NEXT_TELEMETRY_DISABLED="1"
ENV NEXT_IGNORE_INCORRECT_LOCKFILE="1"
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "npm install --global --silent pnpm@9.4.0"]

FROM base AS deps
COPY ["pnpm-lock.yaml", "package.json", "pnpm-workspace.yaml", "./"]
COPY ["apps/web/package.json", "./apps/web/"]
COPY ["packages/shared/ui/package.json", "./packages/shared/ui/"]
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-pnpm,target=/layers/cache/pnpm,sharing=locked ["sh", "/run/secrets/brainpod", "pnpm install --frozen-lockfile --prod=false", "--", "if [ -d node_modules ] && [ ! -L node_modules ]; then\n  for link in node_modules/* node_modules/@*/* node_modules/.pnpm/node_modules/*; do\n    [ -L \"$link\" ] || continue\n    target=\"$(readlink -f \"$link\")\"\n    case \"$target\" in \"$PWD\"/node_modules/*) ;; \"$PWD\"/*) ln -sfn \"$target\" \"$link\" ;; esac\n  done\n  rm -rf /layers/deps/node_modules && mv node_modules /layers/deps/ && ln -s /layers/deps/node_modules node_modules\nfi"]

FROM deps AS build
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-pnpm,target=/layers/cache/pnpm,sharing=locked ["sh", "/run/secrets/brainpod", "cd packages/shared/ui && pnpm run build", "cd apps/web && export PATH=\"$PWD/node_modules/.bin:$PATH\" && next build", "--", ": inputs", "rm -rf -- .git", "rm -rf /layers/deps/node_modules/.cache"]

FROM node:20-slim
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd"]
COPY --from=build --chown=1000:1000 /layers/deps /layers/deps
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV NODE_ENV="production"
ENV NEXT_TELEMETRY_DISABLED="1"
ENV NEXT_IGNORE_INCORRECT_LOCKFILE="1"
ENV PORT="8080"
ENV PATH=/app/node_modules/.bin:$PATH
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "cd apps/web && export PATH=\"$PWD/node_modules/.bin:$PATH\" && next start -p $PORT"]
