"""Versions that do not go together: of the runtime, of packages, of platforms, of package managers."""

from __future__ import annotations

from apps.builds.failures.entry import INSTALL_ON, Entry, Fix, signs

VERSIONS = (
    Entry(
        "runtime_version_mismatch",
        "The wrong version of the language",
        INSTALL_ON,
        "The project or one of its dependencies asks for another version of the language than the build has.",
        "Name the version the project needs (engines in package.json, .python-version, go.mod, rust-toolchain …), or"
        " change the dependency that asks for another one.",
        signs(
            "code EBADENGINE",
            "ERR_PNPM_UNSUPPORTED_ENGINE",
            'The engine "{*}" is incompatible with this module',
            "requires a different Python",
            "does not satisfy Python{*}",
            "No interpreter found for Python {*}",
            "Current Python version ({*}) is not allowed by the project",
            "is not supported by the project (",
            "requires rustc {*}",
            "rustc {*} is not supported by the following package",
            "requires go >= {*}",
            "requires php {*} your php version ({*}) does not satisfy",
            "Your Ruby version is {*}, but your Gemfile specified",
            "error: release version {*} not supported",
            "Source option {n:number} is no longer supported",
            "invalid target release: {*}",
            "Unsupported class file major version",
            "UnsupportedClassVersionError",
            "Could not determine java version from",
            "java.lang.NoClassDefFoundError: Could not initialize class org.codehaus.groovy",
            "Could not initialize class org.codehaus.groovy.runtime.InvokerHelper",
            "NETSDK1045",
            "You are using Node.js {*}. For Next.js, Node.js version",
            "Vite requires Node.js version",
            "The Angular CLI requires a minimum Node.js version",
        ),
        fixes=(
            Fix("Do not check engines", "env.npm_config_engine_strict", "false", on="EBADENGINE"),
            Fix(
                "Do not check engines",
                "build.installCommand",
                "yarn install --frozen-lockfile --ignore-engines",
                on="The engine",
            ),
        ),
    ),
    Entry(
        "platform_mismatch",
        "A dependency is for another platform",
        INSTALL_ON,
        "A package exists only for another operating system, processor or version of the language: builds run on"
        " Linux.",
        "Make it optional (optionalDependencies, a marker such as ; sys_platform == 'win32'), or add Linux to"
        " the lockfile.",
        signs(
            "code EBADPLATFORM",
            'The platform "{*}" is incompatible with this module',
            "is not a supported wheel on this platform",
            "wheels are available for {*} on the following platforms",
            "has no wheels with a matching",
            "Your bundle only supports platforms",
            "Could not find {*} in locally installed gems",
            "ERR_PNPM_UNSUPPORTED_PLATFORM",
        ),
    ),
    Entry(
        "package_manager_mismatch",
        "Another package manager is wanted",
        INSTALL_ON,
        "The project says it is installed with another package manager than the one that was called.",
        "Commit the lockfile of the package manager the project names, and delete the other lockfiles; or change"
        " packageManager in package.json.",
        signs(
            "This project is configured to use {name}",
            'This project\'s package.json defines "packageManager": ',
            'Use "{name:text}" for installation in this project',
            "ERR_PNPM_OTHER_PM_EXPECTED",
            "ERR_PNPM_BAD_PM_VERSION",
        ),
        stacks=("Node",),
    ),
    Entry(
        "workspace_package_not_found",
        "A package of the workspace is not there",
        INSTALL_ON,
        "A dependency is to come from the repository's own workspace, and no package of it has that name here.",
        "Set the app's root directory to the workspace's root (and build the one app by its filter), or add the"
        " package.",
        signs(
            "ERR_PNPM_WORKSPACE_PKG_NOT_FOUND",
            'Unsupported URL Type "workspace:"',
            'Workspace dependency "{*}" not found',
            "Workspace not found",
            "references a workspace in `tool.uv.sources`",
            "failed to find a workspace root",
            "error inheriting {*} from workspace root manifest",
            "can't be resolved (workspace",
        ),
        fixes=(Fix("Build from the repository's root", "source.rootDir", ""),),
    ),
)
