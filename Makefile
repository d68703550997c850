# Every target in two or three plain commands: see README.md. PYTHON names the Python 3.11 or newer to begin with.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
RUN := .venv/bin/python
MANAGE := $(RUN) manage.py
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help up restart demo signin doctor reset test test-postgres check docs lint format bench bench-soak lock environment dev-environment

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: environment ## start the whole platform; Ctrl-C stops it, the next start brings everything back
	@exec $(MANAGE) up $(ARGS)

restart: environment ## have what runs begin anew from this checkout, say after an upgrade; apps go on meanwhile
	@$(MANAGE) restart $(ARGS)

demo: environment ## make the demo pod in a platform that runs (the first `make up` does)
	@$(MANAGE) demo $(ARGS)

signin: environment ## print a one-time sign-in link
	@$(MANAGE) signin $(ARGS)

doctor: environment ## what this machine has of what the platform needs
	@$(MANAGE) doctor

reset: ## forget everything: pods, accounts, secrets, disks (asks first)
	@$(PYTHON) dev/reset.py $(ARGS)

test: dev-environment ## the whole test suite, on SQLite and PostgreSQL, with what it needs
	@$(RUN) dev/suite.py $(ARGS)

test-postgres: dev-environment ## what touches the database, on PostgreSQL, but for the browser's part
	@$(RUN) -m tests.stack.postgres $(RUN) -m pytest --reuse-db --database -m "not browser" $(ARGS)

check: dev-environment ## lint, types, layers, migrations, Django's own checks, the documentation's links
	@$(RUN) dev/check.py

docs: dev-environment ## docs/ as a site in var/site; dead links and anchors fail it
	@NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet $(ARGS)

lint: dev-environment ## style only
	@$(RUN) -m ruff check . && $(RUN) -m ruff format --check .

format: dev-environment ## mend the style
	@$(RUN) -m ruff check --fix . && $(RUN) -m ruff format .

bench: dev-environment ## measure, against the limits in the same run
	@$(RUN) -m bench $(ARGS)

bench-soak: dev-environment ## the same with what takes minutes each
	@$(RUN) -m bench --soak $(ARGS)

lock: dev-environment ## write the hash-pinned locks from requirements*.txt
	@$(RUN) dev/lock.py

environment:
	@$(PYTHON) dev/environment.py

dev-environment:
	@$(PYTHON) dev/environment.py --dev
