"""The git server, beneath /git/: `<pod>.git` for a pod with one app that is pushed to, `<pod>/<app>.git` for several.

Git's smart protocol is three addresses; the files of a repository ("dumb HTTP") are not to be had.
"""

from __future__ import annotations

from django.urls import URLPattern, re_path

from apps.pushes import views

POD = r"(?P<pod>[a-z0-9-]{1,63})"
APP = r"(?P<app>[a-z0-9-]{1,63})"
SERVICE = r"(?P<service>git-upload-pack|git-receive-pack)"

urlpatterns: list[URLPattern] = [
    re_path(rf"^{POD}\.git/info/refs$", views.refs, name="git-refs"),
    re_path(rf"^{POD}\.git/{SERVICE}$", views.service, name="git-service"),
    re_path(rf"^{POD}/{APP}\.git/info/refs$", views.refs, name="git-app-refs"),
    re_path(rf"^{POD}/{APP}\.git/{SERVICE}$", views.service, name="git-app-service"),
    re_path(r"^", views.nothing, name="git-nothing"),
]
