"""Plain files: a Staticfile that names a directory, public/, or index.html right here."""

from __future__ import annotations

import re

from apps.builds.detect.detector import Detector
from apps.builds.detect.plan import Overrides, Plan
from apps.builds.detect.project import Project
from apps.core.errors import UserError
from apps.core.paths import check_relative


def _plan(project: Project, overrides: Overrides) -> Plan:
    return Plan(stack="static", kind="static", output=overrides.output or _output(project))


def _output(project: Project) -> str:
    if match := re.search(r"^root:\s*['\"]?([^'\"\n]+?)['\"]?\s*$", project.text("Staticfile"), re.MULTILINE):
        root = check_relative(match[1], "Staticfile") or "."
        if root != "." and not project.has_directory(root):
            hint = "Make the directory, or mend `root:` in the Staticfile."
            raise UserError("no_output_directory", f"The Staticfile names {root}, which is no directory.", hint)
        return root
    return "public" if project.has("public/index.html") else "."


DETECTOR = Detector(
    name="static", title="Static files", looks_for="Staticfile, index.html or public/index.html",
    matches=lambda project: project.has("Staticfile", "index.html", "public/index.html"), plan=_plan,
)  # fmt: skip
