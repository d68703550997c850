"""What frameworks keep in the app's directory for their next build, by framework: caches, not output."""

from __future__ import annotations

_MODULES = "node_modules/.cache"  # babel, terser, webpack and eslint agree on it

DIRECTORIES: dict[str, tuple[str, ...]] = {
    "next": (".next/cache",),
    "astro": ("node_modules/.astro", "node_modules/.vite"),
    "vite": ("node_modules/.vite",),
    "gatsby": (".cache", "public"),  # without its public it takes .cache for broken and drops it
    "parcel": (".parcel-cache",),
    "docusaurus": (".docusaurus", _MODULES),
    "sveltekit": (".svelte-kit", "node_modules/.vite"),
    "nuxt": (".nuxt", _MODULES),
    "angular": (".angular/cache",),
    "eleventy": (".cache",),
    "create-react-app": (_MODULES,),
    "react-router": ("node_modules/.vite",),
    "vue-cli": (_MODULES,),
    "expo": (".expo", _MODULES),
    "hugo": ("resources/_gen",),
    "jekyll": (".jekyll-cache",),
    "mkdocs": (".cache",),
}
_OF_SERVERS = ("next",)  # others keep there what the server needs as well


def directories(framework: str, kind: str) -> tuple[str, ...]:
    """Relative to the app."""
    return DIRECTORIES.get(framework, ()) if kind == "static" or framework in _OF_SERVERS else ()
