"""What is asked when a file becomes a draft."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from apps.core.errors import UserError
from apps.manifests.importing import FORMATS, format_of
from apps.manifests.nodes import LARGEST


class _Several(forms.FileInput):
    allow_multiple_selected = True


class TextForm(forms.Form):
    """`text`, labelled `label`, or an uploaded file in its place. `called`: what either is, in a sentence."""

    label: str
    called: str
    file = forms.FileField(label="File", required=False, help_text="In place of what stands below.")
    text = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 18, "data-code": "", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["text"].label = self.label

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        file = given.get("file")
        if file and file.size > LARGEST:
            self.add_error("file", f"At most {LARGEST // 1024 // 1024} MB.")
        elif file:
            given["text"] = file.read().decode("utf-8-sig", errors="replace")
        elif not given.get("text", "").strip():
            self.add_error("text", f"Paste a {self.called}, or choose a file.")
        return given


class ImportForm(TextForm):
    label = called = "brainpod.yaml"
    keep = forms.BooleanField(
        label="Keep what the file does not mention",
        required=False,
        help_text="Without this the file is the whole pod: other resources are taken out of the draft.",
    )


class RepositoryForm(forms.Form):
    """A repository that has the file."""

    repo = forms.CharField(
        label="Git repository",
        max_length=1000,
        help_text="With what the team's connections to git hosts may read.",
        widget=forms.TextInput(attrs={"placeholder": "https://github.com/you/app.git", "autocomplete": "off"}),
    )
    branch = forms.CharField(label="Branch", max_length=250, required=False, help_text="Empty: the default one.")


class ConvertForm(RepositoryForm):
    """Files of other tools: chosen, or one that is pasted."""

    chosen = forms.FileField(
        label="Files",
        required=False,
        help_text="docker-compose.yml, or Procfile and app.json together.",
        widget=_Several(attrs={"multiple": True}),
    )
    pasted = forms.CharField(
        label="Or paste one",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "data-code": "", "spellcheck": "false"}),
    )
    pasted_as = forms.ChoiceField(label="What is pasted is", choices=tuple(FORMATS.items()), required=False)
    field_order = ("chosen", "pasted", "pasted_as", "repo", "branch")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= {"auto_id": "id_of_tool_%s"}  # a RepositoryForm stands on the same page
        super().__init__(*args, **kwargs)
        self.fields["repo"].help_text = "Where the code is: apps are built from it."

    def texts(self, uploaded: list[UploadedFile[Any]]) -> dict[str, str]:
        """The files by their format. Raises UserError("nothing_to_import")."""
        found = {}
        for file in uploaded:
            kind = format_of(file.name or "")
            if not kind or (file.size or 0) > LARGEST:
                message = f"{file.name} is none of {', '.join(FORMATS.values())}, or too large."
                raise UserError("nothing_to_import", message, "Choose files of those names.", status=422)
            found[kind] = file.read().decode("utf-8-sig", errors="replace")
        if not found and self.cleaned_data["pasted"].strip():
            found[self.cleaned_data["pasted_as"] or "compose"] = self.cleaned_data["pasted"]
        return found
