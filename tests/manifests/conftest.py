"""A pod of team "home" and what is in a full one."""

from __future__ import annotations

import pytest

from apps.accounts.models import Team, User
from apps.pods import actions
from apps.pods.models import Pod

SHOP = """\
version: 1
pod: shop
resources:
  Config:
    settings:
      variables:
        LOG_LEVEL: info
        WHEN: 'on'
      secrets:
        - API_KEY
      files:
        app.ini: |
          [main]
          a = 1
  Disk:
    data:
      size: 10
    uploads:
      size: 5
  PostgresDB:
    db:
      version: '16'
      disk: data
  App:
    web:
      type: web
      source:
        repo: https://github.com/example/shop.git
        branch: main
      env:
        DATABASE_URL: ${db.uri}
      configs:
        - settings
      mounts:
        - path: /uploads
          disk: uploads
        - path: /settings/app.ini
          file: app.ini
          config: settings
      jobs:
        - name: nightly
          schedule: '@daily'
          command: python report.py
  Route:
    site:
      domains:
        - www.example.com
      rules:
        - path: /api/
          app: web
          strip: true
        - path: /
          app: web
      password: true
      headers:
        X-Frame-Options: DENY
"""
VALUES = {("settings", "API_KEY"): "hunter2-the-key", ("site", "password"): "a-long-password"}


@pytest.fixture
def pod(team: Team, alice: User) -> Pod:
    return actions.create_pod(team=team, name="shop", by=alice)
