"""Static files under names that hold a digest of their content, so that browsers may keep them for ever."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage

_IMPORT = (r'(?P<matched>from "(?P<url>\./[^"]+\.js)")', 'from "%(url)s"')


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """The `import`s between our own modules name the hashed files too: a new one never meets an old one.

    Django can look for imports in every script, but takes the examples in comments of others' scripts for imports.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("logs/*.js", (_IMPORT,)),
        ("dashboard/*.js", (_IMPORT,)),
    )
