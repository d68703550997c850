.DEFAULT_GOAL := help
PYTHON ?= python3
RUN := .venv/bin/python

.PHONY: help environment dev-environment test check lint types layers format lock

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

environment: ## .venv with what the platform needs, from the hash-pinned lock
	@$(PYTHON) dev/environment.py

dev-environment: ## .venv with what tests and checks need too
	@$(PYTHON) dev/environment.py --dev

test: dev-environment ## every test
	@$(RUN) -m pytest tests

check: dev-environment lint ## lint, migrations and Django's own checks
	@DJANGO_SETTINGS_MODULE=tests.settings $(RUN) manage.py check

lint: dev-environment ## what ruff says of tests and core
	@$(RUN) -m ruff check apps/core brainpod/config.py dev

format: dev-environment ## ruff's formatting
	@$(RUN) -m ruff format apps brainpod tests dev

lock: dev-environment ## the lock files again, from requirements.txt and requirements-dev.txt
	.venv/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-annotate requirements-dev.txt -o requirements-dev.lock
	.venv/bin/uv pip compile -q --python-version 3.11 --generate-hashes --no-annotate -c requirements-dev.lock requirements.txt -o requirements.lock
