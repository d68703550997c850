"""What is asked when a file becomes a draft."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.manifests.nodes import LARGEST


class ImportForm(forms.Form):
    """`text`, or an uploaded file in its place."""

    file = forms.FileField(label="File", required=False, help_text="In place of what stands below.")
    text = forms.CharField(
        label="brainpod.yaml",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 18, "class": "font-monospace", "spellcheck": "false"}),
    )
    keep = forms.BooleanField(
        label="Keep what the file does not mention",
        required=False,
        help_text="Without this the file is the whole pod: other resources are taken out of the draft.",
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        file = given.get("file")
        if file and file.size > LARGEST:
            self.add_error("file", f"At most {LARGEST // 1024 // 1024} MB.")
        elif file:
            given["text"] = file.read().decode("utf-8-sig", errors="replace")
        elif not given.get("text", "").strip():
            self.add_error("text", "Paste a brainpod.yaml, or choose a file.")
        return given
