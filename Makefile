# Every command of the project; CI calls only these. `make help` lists them.
SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON := .venv/bin/python
ENVIRONMENT := exports="$$($(PYTHON) tools/environment.py)" && eval "$$exports"
space := $(subst ,, )
CHECKED := infra stacks services tests tools conftest.py

.PHONY: help setup env up preview refresh status down token test unit check format generate bench

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

.venv/.synced: uv.lock pyproject.toml $(wildcard services/*/pyproject.toml) tools/bootstrap tools/bootstrap.txt
	@tools/bootstrap

setup: .venv/.synced ## installs what is missing: Python packages into .venv, the Pulumi CLI into .shop
	@$(ENVIRONMENT) && pulumi stack select local --create > /dev/null

env: setup ## the environment for a plain `pulumi up -s local`: eval "$(make -s env)"
	@$(PYTHON) tools/environment.py

up: setup ## brings the whole system up on this machine, or up to date
	@$(ENVIRONMENT) && pulumi up -s local --yes --skip-preview --suppress-outputs && $(PYTHON) tools/next_steps.py

preview: setup ## what `make up` would change
	@$(ENVIRONMENT) && pulumi preview -s local --diff

refresh: setup ## looks at what is really there
	@$(ENVIRONMENT) && pulumi refresh -s local --yes --skip-preview --suppress-outputs

status: setup ## which processes run
	@$(ENVIRONMENT) && supervisorctl -c .shop/local/run/supervisord.conf status

token: setup ## an access token: make -s token EMAIL=... PASSWORD=...
	@$(ENVIRONMENT) && $(PYTHON) tools/sign_in.py "$(EMAIL)"

down: setup ## takes it down; data stays, unless PURGE=1
	@$(ENVIRONMENT) && pulumi destroy -s local --yes --skip-preview --suppress-outputs
	@if [ -n "$(PURGE)" ]; then rm -rf .shop/local .shop/state && echo "The data is gone, too."; \
	else echo "The data is kept in .shop/local/data; make down PURGE=1 removes it."; fi

test: setup ## all tests: units, services on real servers, the whole system end to end
	@$(ENVIRONMENT) && $(PYTHON) -m pytest --numprocesses 3 --dist loadgroup $(TESTS)

unit: .venv/.synced ## the quick tests, under a minute
	@$(PYTHON) -m pytest --numprocesses 3 --dist worksteal -m "not e2e" $(TESTS)

check: .venv/.synced ## ruff, mypy --strict, the catalogue
	@$(PYTHON) -m ruff format --check $(CHECKED)
	@$(PYTHON) -m ruff check $(CHECKED)
	@$(PYTHON) -m mypy infra stacks tests tools conftest.py services/*/tests
	@MYPYPATH=$(subst $(space),:,$(wildcard services/*)) $(PYTHON) -m mypy $(foreach service,$(wildcard services/*),-p $(notdir $(service)))
	@$(PYTHON) -m infra.catalogue

format: .venv/.synced ## formats the code
	@$(PYTHON) -m ruff format $(CHECKED)
	@$(PYTHON) -m ruff check --fix $(CHECKED)

generate: .venv/.synced ## writes what follows from code: the schema of service.yaml, each openapi.json
	@$(PYTHON) -m infra.catalogue --schema > infra/service.schema.json
	@for service in users orders notifications; do \
	  $(PYTHON) -m $$service openapi > services/$$service/openapi.json || exit 1; done

bench: setup ## measures the running system; prints a table, saves bench.json
	@$(ENVIRONMENT) && $(PYTHON) -m tools.bench
