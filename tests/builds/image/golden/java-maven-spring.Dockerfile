# spring-boot, java 17, maven

FROM maven:3-eclipse-temurin-17 AS base
WORKDIR /app
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--"]

FROM base AS deps

FROM deps AS build
COPY . ./
RUN --mount=type=secret,id=brainpod,required=true --mount=type=secret,id=brainpod-ca --mount=type=cache,id=bp-scope-maven,target=/layers/cache/maven,sharing=locked ["sh", "/run/secrets/brainpod", "mvn -B -ntp -DskipTests package", "--", ": inputs", "rm -rf -- .git"]

FROM eclipse-temurin:17-jre
RUN --mount=type=secret,id=brainpod-tools,required=true --mount=type=secret,id=brainpod-ca ["sh", "/run/secrets/brainpod-tools", "--", "grep -q '^[^:]*:[^:]*:1000:' /etc/passwd || echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd"]
COPY --from=build --chown=1000:1000 /app /app
WORKDIR /app
ENV PORT="8080"
EXPOSE 8080
USER 1000:1000
ENTRYPOINT []
CMD ["sh", "-c", "exec java $JAVA_OPTS -Dserver.port=$PORT -jar target/demo-0.0.1-SNAPSHOT.jar"]
