"""Frameworks and site generators that say what they miss."""

from __future__ import annotations

from apps.builds.failures.entry import BUILD_ON, COMMANDS, Entry, Fix, signs

FRAMEWORKS = (
    Entry(
        "static_root_missing",
        "Django has nowhere to collect static files",
        BUILD_ON,
        "collectstatic needs STATIC_ROOT, and the settings have none.",
        "Add STATIC_ROOT = BASE_DIR / 'staticfiles' to the settings; or build without collecting.",
        signs("without having set the STATIC_ROOT setting"),
        stacks=("Python",),
        fixes=(Fix("Build without collectstatic", "build.buildCommand", "true"),),
    ),
    Entry(
        "variable_missing",
        "A variable is not set",
        COMMANDS,
        "The code reads a variable of the environment that is not set.",
        "Set it on the app's Environment page, or as a secret of a Config the app uses, and deploy again.",
        signs(
            "The SECRET_KEY setting must not be empty",
            "KeyError: '{name:capitals}'$",
            "Set the {name} environment variable",
            "Environment variable not found: {name}",
            "Missing required environment variable",
            "Missing `secret_key_base`",
            "Invalid environment variables",
            "Missing environment variable",
            "UndefinedValueError: ",
            "environment variable {name} is missing",
            "No application encryption key has been specified",
            "supabaseUrl is required",
        ),
    ),
    Entry(
        "theme_missing",
        "The site's theme is not there",
        ("build",),
        "The theme is not in the checkout: themes are often git submodules.",
        "Clone with submodules, or commit the theme or name it as a Hugo module.",
        signs(
            'module "{*}" not found in',
            'module "{*}" not found; either add it',
            "theme could not be found",
            "Unable to find theme",
        ),
        stacks=("Hugo", "Jekyll"),
        fixes=(Fix("Clone with submodules", "source.submodules", True),),
    ),
    Entry(
        "docs_plugin_missing",
        "A plugin of the documentation is not installed",
        ("build",),
        "The configuration names a plugin or theme that is not among the dependencies.",
        "Add its package (such as mkdocs-material) to requirements.txt and commit.",
        signs(
            "plugin is not installed",
            "Unrecognised theme name",
            "Error: The following plugins were not found",
            "Could not find plugin",
        ),
        stacks=("Python",),
    ),
    Entry(
        "strict_mode_warnings",
        "Warnings in strict mode",
        ("build",),
        "The documentation has warnings, and strict mode makes them errors.",
        "Mend the warnings above, or build without strict mode.",
        signs(
            "Aborted with {n:number} warnings in strict mode",
            "Aborted with {n:number} warning in strict mode",
            "warnings treated as errors",
        ),
        stacks=("Python",),
        fixes=(Fix("Build without strict mode", "build.buildCommand", "mkdocs build", on="Aborted with"),),
    ),
    Entry(
        "liquid_error",
        "A template cannot be rendered",
        ("build",),
        "A template of the site has a mistake or uses what is not there.",
        "Mend the place that the line below names.",
        signs(
            "Liquid Exception: ",
            "execute of template failed",
            "TemplateSyntaxError: ",
            "TemplateContentRenderError",
            "failed to parse template",
            "parse failed: template:",
            "error calling partial",
        ),
        stacks=("Hugo", "Jekyll", "Eleventy"),
    ),
)
