"""docs/failures.md, made from the catalogue and the recorded logs: `python -m tests.builds.failures_page` writes it."""

from __future__ import annotations

import re
from pathlib import Path

from apps.builds.failures.catalogue import CATALOGUE, GENERIC
from apps.builds.failures.entry import STAGE_NAMES, Entry, Fix
from tests.builds.failure_logs import Recorded, recorded

PAGE = Path(__file__).parents[2] / "docs/failures.md"
HEAD = """\
# Why builds and deployments fail

Every failure the platform knows by name, in the order of the stages. The name stands beside the failed deployment,
with the line of the log that shows it. Where there is a button, it puts the remedy into the draft, to be reviewed
and deployed like any other change. What is known by no name ends as `install_failed`, `build_failed`,
`release_failed`, `prestart_failed` or `app_exited`, with the last line that says anything.

This page is made from `apps/builds/failures`: change it there, and run `python -m tests.builds.failures_page`.
"""


def page() -> str:
    by_code = {entry.code: entry for entry in (*CATALOGUE, *GENERIC.values())}
    logs = {log.code: log for log in reversed(recorded())}
    parts = [HEAD]
    for stage, name in STAGE_NAMES.items():
        if entries := [entry for entry in by_code.values() if entry.stages[0] == stage]:
            parts.append(f"\n## {name.capitalize()}\n")
            parts += [_section(entry, logs.get(entry.code)) for entry in entries]
    return "".join(parts)


def _section(entry: Entry, log: Recorded | None) -> str:
    where = ", ".join(STAGE_NAMES[stage] for stage in entry.stages)
    stacks = f" ({', '.join(entry.stacks)})" if entry.stacks else ""
    lines = [f"\n### `{entry.code}`", "", f"**{entry.title}.** Seen in: {where}{stacks}.", ""]
    lines += [f"- **Cause**: {_told(entry.cause)}", f"- **Do**: {_told(entry.remedy)}"]
    lines += [f"- **Button**: {_button(fix)}" for fix in entry.fixes]
    shown = log.diagnosis.line if log and log.diagnosis else ""
    if shown:
        lines.append(f"- **Log**: ``{shown[:200].strip()}``")
    return "\n".join(lines) + "\n"


def _told(text: str) -> str:
    return re.sub(r"\{\w+\}", "…", text).replace("{{", "{").replace("}}", "}")


def _button(fix: Fix) -> str:
    value = str(fix.value).lower() if isinstance(fix.value, bool) else fix.value
    return f"{fix.label}: `{fix.path}` = `{value}`" if value != "" else f"{fix.label}: `{fix.path}` is emptied"


if __name__ == "__main__":
    PAGE.write_text(page())
