# vite, node, npm

FROM node:22 AS base
ENV NODE_ENV="production"
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--"]

FROM base AS deps
COPY ["package-lock.json", "package.json", "./"]
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-npm,target=/layers/cache/npm,sharing=locked ["sh", "/run/secrets/brainpod", "npm ci --include=dev --no-audit --no-fund --no-progress", "--", "if [ -d node_modules ] && [ ! -L node_modules ]; then\n  for link in node_modules/* node_modules/@*/* node_modules/.pnpm/node_modules/*; do\n    [ -L \"$link\" ] || continue\n    target=\"$(readlink -f \"$link\")\"\n    case \"$target\" in \"$PWD\"/node_modules/*) ;; \"$PWD\"/*) ln -sfn \"$target\" \"$link\" ;; esac\n  done\n  rm -rf /layers/deps/node_modules && mv node_modules /layers/deps/ && ln -s /layers/deps/node_modules node_modules\nfi"]

FROM deps AS build
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-npm,target=/layers/cache/npm,sharing=locked ["sh", "/run/secrets/brainpod", "vite build", "--", ": inputs", "rm -rf -- .git", "rm -rf /layers/deps/node_modules/.cache"]

FROM scratch AS output
COPY --from=build ["/app/dist/", "/"]
