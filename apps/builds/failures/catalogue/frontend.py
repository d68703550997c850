"""Bundlers and the frameworks around them."""

from __future__ import annotations

from apps.builds.failures.entry import COMMANDS, Entry, Fix, signs

_BUILD = ("build", "release")
_NODE = ("Node",)

FRONTEND = (
    Entry(
        "openssl_legacy",
        "An old bundler and a new OpenSSL",
        COMMANDS,
        "The bundler (webpack 4 and what is built on it) uses a hash that the OpenSSL of Node.js 17 and later refuses.",
        "Update the bundler (webpack 5, react-scripts 5, Vue CLI 5); until then, allow the old hash.",
        signs("error:0308010C:digital envelope routines", "ERR_OSSL_EVP_UNSUPPORTED"),
        stacks=_NODE,
        fixes=(Fix("Allow the old hash", "env.NODE_OPTIONS", "--openssl-legacy-provider"),),
    ),
    Entry(
        "optional_binary_missing",
        "The lockfile lacks the binary for Linux",
        COMMANDS,
        "A tool's compiled part for this platform was not installed: the lockfile was written on another platform, or"
        " optional dependencies are left out.",
        "Delete node_modules and package-lock.json, run npm install with a new npm, and commit the lockfile.",
        signs(
            "Cannot find module @rollup/rollup-",
            "Cannot find module '@rollup/rollup-",
            "Cannot find module '../lightningcss.",
            "Cannot find module 'lightningcss-",
            "Cannot find module '@tailwindcss/oxide-",
            "Cannot find native binding",
            "You installed esbuild for another platform",
            "could not be found, and is needed by esbuild",
            'Could not load the "sharp" module using the',
            "Failed to load SWC binary for",
        ),
        stacks=_NODE,
        fixes=(Fix("Install without the lockfile", "build.installCommand", "rm -f package-lock.json && npm install"),),
    ),
    Entry(
        "tailwind_postcss_plugin",
        "Tailwind 4 is set up like Tailwind 3",
        _BUILD,
        "Since version 4 the PostCSS plugin of Tailwind is a package of its own.",
        "Install @tailwindcss/postcss and name it in postcss.config instead of tailwindcss; or stay with"
        " tailwindcss 3.",
        signs("trying to use `tailwindcss` directly as a PostCSS plugin"),
        stacks=_NODE,
    ),
    Entry(
        "preprocessor_missing",
        "A preprocessor is not installed",
        _BUILD,
        "A file is written in {name}, and the preprocessor for it is not among the dependencies.",
        "Add it (npm install --save-dev {name}) and commit the lockfile.",
        signs('Preprocessor dependency "{name}" not found', "Cannot find module '{name}-loader'"),
        stacks=_NODE,
    ),
    Entry(
        "loader_missing",
        "No loader for a kind of file",
        _BUILD,
        "A file is imported that the bundler has no loader for.",
        "Add the loader (css-loader, babel-loader, ts-loader, asset modules …) to the bundler's configuration.",
        signs("You may need an appropriate loader to handle this file type", 'No loader is configured for "{*}" files'),
        stacks=_NODE,
    ),
    Entry(
        "entry_not_found",
        "There is nothing to start building from",
        _BUILD,
        "The build looks for the file to begin with in a place where it is not.",
        "Set the app's root directory to where the project is, or name the entry in the tool's configuration or"
        " command.",
        signs(
            "Could not resolve entry module",
            "ERROR in main{*}",
            "Entry module not found: ",
            "error TS18003: No inputs were found in config file",
            "Couldn't find any `pages` or `app` directory",
            "no Go files in ",
            "no bin target named",
            "can't find `{*}` bin at",
            "error: no targets specified in the manifest",
            "there is no POM in this directory",
            "does not contain a Gradle build",
            "Cannot find a Gatsby site",
        ),
    ),
    Entry(
        "prerender_failed",
        "A page failed while it was rendered",
        _BUILD,
        "The framework renders pages during the build, and one of them threw an error: often data it fetches is not"
        " there at build time.",
        "See in the log which page; handle missing data, or render it on request (in Next.js: dynamic ="
        " 'force-dynamic').",
        signs(
            "Error occurred prerendering page",
            "Export encountered errors on following path",
            "Export encountered an error on",
            'is missing "generateStaticParams()"',
            'with "output: export" config',
            "Error: Building static HTML failed for path",
            "WebpackError: ",
            "Error: 404 {*} (linked from",
        ),
        stacks=_NODE,
    ),
    Entry(
        "broken_links",
        "The site has broken links",
        _BUILD,
        "The site generator found links that lead nowhere, and is set to fail for them.",
        "Mend the links it lists, or set onBrokenLinks to warn.",
        signs("Docusaurus found broken links", "dead link(s) found", "found dead links"),
        stacks=_NODE,
    ),
    Entry(
        "size_budget_exceeded",
        "A bundle is larger than its budget",
        _BUILD,
        "The project limits how large its bundles may be, and one is larger.",
        "Load parts of it lazily, or raise the budget in angular.json.",
        signs("exceeded maximum budget"),
        stacks=_NODE,
    ),
    Entry(
        "prisma_not_generated",
        "The Prisma client was not generated",
        COMMANDS,
        "The code uses @prisma/client, and nothing generated it from the schema.",
        'Add "postinstall": "prisma generate" to the scripts, or generate it in the build command.',
        signs(
            "@prisma/client did not initialize yet",
            "Prisma Client could not locate the Query Engine",
            "Cannot find module '.prisma/client",
        ),
        stacks=_NODE,
        fixes=(Fix("Generate it before the build", "build.buildCommand", "npx prisma generate && npm run build"),),
    ),
    Entry(
        "production_build_missing",
        "The app was started without being built",
        ("launch", "health"),
        "The start command serves a build that was never made or lies elsewhere.",
        "Set the app's build command, and see that the start command looks where the build writes.",
        signs(
            "Could not find a production build in the",
            "Could not find the build manifest",
            "No build found. Please run",
            "Cannot find module '/app/.output/server/index.mjs'",
            "Cannot find module '/app/build/index.js'",
            "Cannot find module '/app/dist/server/entry.mjs'",
        ),
        stacks=_NODE,
        fixes=(Fix("Build with npm run build", "build.buildCommand", "npm run build"),),
    ),
)
