# aspnet, dotnet 8.0, nuget

FROM mcr.microsoft.com/dotnet/sdk:8.0 AS base
ENV DOTNET_CLI_TELEMETRY_OPTOUT="1"
ENV DOTNET_NOLOGO="1"
ENV DOTNET_ENVIRONMENT="Production"
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--"]

FROM base AS deps
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-nuget,target=/layers/cache/nuget,sharing=locked ["sh", "/run/secrets/brainpod", "dotnet restore Hello.csproj", "--"]

FROM deps AS build
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-nuget,target=/layers/cache/nuget,sharing=locked ["sh", "/run/secrets/brainpod", "dotnet publish Hello.csproj --configuration Release --no-restore --output out", "--", ": inputs", "rm -rf -- .git"]

FROM mcr.microsoft.com/dotnet/aspnet:8.0
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd"]
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV DOTNET_CLI_TELEMETRY_OPTOUT="1"
ENV DOTNET_NOLOGO="1"
ENV DOTNET_ENVIRONMENT="Production"
ENV PORT="8080"
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "ASPNETCORE_URLS=http://0.0.0.0:$PORT dotnet out/Hello.dll"]
