"""A blueprint with one input of every kind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EVERY = """\
version: 1
blueprint: every-kind
title: Every kind
tagline: One input of each.
description: Two lines.
tags: [test]
inputs:
  title:
    label: Title
    required: true
    pattern: '[^<>]+'
  size:
    label: Size
    kind: choice
    choices: ['5', '10']
    default: '10'
  key:
    label: Key
    kind: secret
    generate: 40
  host:
    label: Domain
    kind: hostname
  fast:
    label: Fast
    kind: boolean
resources:
  Config:
    settings:
      variables:
        TITLE: 'The title is {{ inputs.title }}.'
        FAST: '{{ inputs.fast }}'
      secrets: [KEY]
  Disk:
    data:
      size: '{{ inputs.size }}'
  App:
    web:
      configs: [settings]
      mounts:
        - path: /data
          disk: data
    worker:
      type: worker
  Route:
    site:
      domains: ['{{ inputs.host }}']
      rules:
        - path: /
          app: web
secrets:
  settings:
    KEY: '{{ inputs.key }}'
sources:
  web:
    app/main.py: |
      print("{{ not filled }}")
    Procfile: 'web: python app/main.py'
  worker: web
"""


@pytest.fixture
def store(openbao: Any, settings: Any) -> Iterator[Path]:
    """The state directory, without repositories."""
    place: Path = settings.BRAINPOD.state / "repositories"
    shutil.rmtree(place, ignore_errors=True)
    yield settings.BRAINPOD.state
    shutil.rmtree(place, ignore_errors=True)
