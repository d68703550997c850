"""Scripts and hooks: not there, not executable, or ended badly."""

from __future__ import annotations

from apps.builds.failures.entry import INSTALL_ON, Entry, Fix, signs

SCRIPTS = (
    Entry(
        "script_not_found",
        "There is no such script",
        INSTALL_ON,
        "The script {name} is called, and package.json has none of that name.",
        "Add it to `scripts`, or change the app's build command.",
        signs(
            'Missing script: "{name}"',
            "Missing script: {name}",
            "missing script: {name}",
            "ERR_PNPM_NO_SCRIPT  Missing script: {name}",
            'Command "{name}" not found',
            'Script not found "{name}"',
            'Couldn\'t find a script named "{name}"',
            "Task not found: {name}",
            'Unknown lifecycle phase "{name}"',
            "Task '{name}' not found in root project",
            "Could not find task '{name}'",
        ),
        stacks=("Node", "Deno", "Java"),
    ),
    Entry(
        "not_executable",
        "A script is not executable",
        INSTALL_ON,
        "{name} may not be executed: git keeps the executable mark, and this file has none.",
        "Run `git update-index --chmod=+x {name}` and commit, or call it through its interpreter (`sh {name}`).",
        signs("sh: {*}: {name}: Permission denied", "sh: {name}: Permission denied", "spawn {name} EACCES"),
        fixes=(
            Fix("Call it through sh", "build.buildCommand", "sh ./mvnw -B package -DskipTests", on="mvnw"),
            Fix("Call it through sh", "build.buildCommand", "sh ./gradlew build -x test", on="gradlew"),
        ),
    ),
    Entry(
        "install_script_failed",
        "A package's install script failed",
        ("install",),
        "A script that a package (or the project itself) runs while it is installed ended badly.",
        "Read what it said before it ended. Many are not needed in a build: skip them, or set the variable the"
        " package"
        " offers for it.",
        signs(
            "npm error command sh -c {*}",
            "npm ERR! command sh -c {*}",
            "ELIFECYCLE",
            "install: Failed",
            ": Command failed.$",
            "postinstall: Failed",
            "preinstall: Failed",
            "couldn't be built successfully (exit code",
            'script from "{*}" exited with',
            "error Command failed with exit code",
            "Script {*} handling the {*} event returned with error code",
        ),
        stacks=("Node", "PHP"),
        fixes=(
            Fix("Install without scripts", "build.installCommand", "npm ci --ignore-scripts", on="npm e"),
            Fix(
                "Install without scripts",
                "build.installCommand",
                "pnpm install --frozen-lockfile --ignore-scripts",
                on="ELIFECYCLE",
            ),
        ),
    ),
    Entry(
        "tests_failed",
        "Tests failed",
        ("build", "release"),
        "The build runs the project's tests, and some of them failed.",
        "Mend them, or leave them to your continuous integration and build without them.",
        signs(
            "There are test failures.",
            "test result: FAILED.",
            "--- FAIL: {*}",
            "FAILED {*}.py::{*}",
            "Tests: {*} failed",
            "Test Files  {*} failed",
            "There were failing tests. See the report at",
            "FAILURES!",
            "^not ok {n:number} ",
        ),
        fixes=(
            Fix("Build without tests", "build.buildCommand", "mvn -B package -DskipTests", on="surefire"),
            Fix("Build without tests", "build.buildCommand", "gradle build -x test", on="There were failing tests"),
        ),
    ),
)
