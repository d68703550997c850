"""What is asked about a backup plan."""

from __future__ import annotations

from django import forms

from apps.backups.actions import MOST_KEPT
from apps.backups.models import BackupPlan


def _number(label: str, value: int) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=0, max_value=MOST_KEPT, initial=value)


class PlanForm(forms.Form):
    """Without a plan it suggests one: every night, the last seven, and one of each of the last four weeks."""

    schedule = forms.CharField(
        label="When",
        max_length=200,
        initial="0 3 * * *",
        help_text="A line of cron, such as 0 3 * * * for every night at three, or @hourly, @daily, @weekly.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "class": "font-monospace"}),
    )
    zone = forms.CharField(label="Time zone", max_length=200, initial="UTC", required=False)
    last = _number("Keep the last", 7)
    days = _number("and all of the last days", 0)
    weeks = _number("and the newest of each of the last weeks", 4)
    drills = forms.BooleanField(
        label="Prove it every week: restore the newest into a scratch database and compare the rows",
        initial=True,
        required=False,
    )

    @classmethod
    def of(cls, plan: BackupPlan | None) -> PlanForm:
        if plan is None:
            return cls()
        return cls(
            initial={
                "schedule": plan.schedule, "zone": plan.zone, "last": plan.keep_last, "days": plan.keep_days,
                "weeks": plan.keep_weeks, "drills": plan.drills,
            }
        )  # fmt: skip
