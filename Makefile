# Every command of the project; CI calls only these. `make help` lists them.
SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON := .venv/bin/python
# The laptop's, unless another is named: make preview STACK=dev
STACK := local
ENVIRONMENT := exports="$$($(PYTHON) -m tools.environment $(STACK))" && eval "$$exports"
# The laptop asks nothing; on AWS a person sees the preview and says yes, or YES=1 does, as in CI.
YES := $(CI)
ifeq ($(STACK),local)
HOW := --yes --skip-preview --suppress-outputs
# Made once; every command names its stack.
SELECT = $(if $(wildcard .shop/state/.pulumi/stacks/shop/local.json),,&& pulumi stack select local --create > /dev/null)
else
SELECT := && pulumi stack select $(STACK) > /dev/null
HOW := $(if $(YES),--yes)
RULES := --policy-pack infra/policies
# AWS makes some log groups again after they are deleted.
LOG_GROUPS = $(PYTHON) -m tools.log_groups $(STACK)
KNOWN = groups="$$($(LOG_GROUPS))" &&
REMOVED = && $(LOG_GROUPS) --remove $$groups
endif
space := $(subst ,, )
QUICK := not e2e and not integration and not slow
WORKERS := 3
CHECKED := infra plans shop stacks services tests tools conftest.py
PACKAGES := $(notdir $(patsubst %/,%,$(dir $(wildcard services/*/*/py.typed))))

.PHONY: help setup env up preview refresh status down token test unit check format generate new-service seed staff bench \
  manifests cost critical-path integration login mutants coverage

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

.venv/.synced: uv.lock pyproject.toml $(wildcard services/*/pyproject.toml) tools/bootstrap tools/bootstrap.txt
	@tools/bootstrap

setup: .venv/.synced ## installs what is missing: Python packages into .venv, the Pulumi CLI into .shop
	@$(ENVIRONMENT) $(SELECT)

env: $(if $(filter local,$(STACK)),setup,.venv/.synced) ## the environment for a plain `pulumi up -s local`: eval "$(make -s env)"
	@$(PYTHON) -m tools.environment $(STACK)

up: setup ## brings the whole system up on this machine, or up to date; on AWS with STACK=dev
	@$(ENVIRONMENT) && pulumi up -s $(STACK) $(HOW) $(RULES) && $(PYTHON) -m shop.next_steps $(STACK)

preview: setup ## what `make up` would change
	@$(ENVIRONMENT) && pulumi preview -s $(STACK) --diff $(RULES)

refresh: setup ## looks at what is really there
	@$(ENVIRONMENT) && pulumi refresh -s $(STACK) $(HOW)

status: setup ## which processes run
	@$(ENVIRONMENT) && supervisorctl -c .shop/local/run/supervisord.conf status

token: setup ## an access token: make -s token EMAIL=... PASSWORD=...
	@$(ENVIRONMENT) && $(PYTHON) -m shop.token "$(EMAIL)" --stack $(STACK)

down: setup ## takes it down; data stays, unless PURGE=1
	@$(ENVIRONMENT) && $(KNOWN) pulumi destroy -s $(STACK) $(HOW) $(REMOVED)
	@$(if $(filter local,$(STACK)),$(PYTHON) -B -m tools.clean_up $(if $(PURGE),--purge))

test: setup ## all tests: units, services on real servers, the whole system end to end
	@$(ENVIRONMENT) && $(PYTHON) -m pytest --numprocesses 3 --dist loadgroup -m "not integration" $(TESTS)

integration: setup ## the AWS program on emulators and a real Kubernetes API, where they are: all, or PART=...
	@$(PYTHON) -m tests.integration $(PART) -- $(TESTS)

mutants: .venv/.synced ## which one-place changes no quick test notices: all, or SINCE=main, FILES=..., LIMIT=120
	@$(PYTHON) -m tests.mutants $(if $(SINCE),--since $(SINCE)) $(if $(LIMIT),--seconds $(LIMIT)) $(FILES)

# What is compiled, and what pytest makes of each assert, is kept for the next run even where a machine asks for no such
# files: to make it anew takes longer than a quarter of the tests.
unit test coverage: export PYTHONDONTWRITEBYTECODE :=

unit: .venv/.synced ## the quick tests
	@$(PYTHON) -m pytest --numprocesses $(WORKERS) --dist worksteal --hypothesis-profile quick -m "$(QUICK)" $(TESTS)

coverage: .venv/.synced ## the quick tests, and which lines they leave out: no fewer than pyproject.toml says
	@$(PYTHON) -m pytest --numprocesses $(WORKERS) --dist worksteal --timeout 300 --cov -m "$(QUICK)" $(TESTS)

check: .venv/.synced ## ruff, mypy --strict, the catalogue
	@$(PYTHON) -m ruff format --check $(CHECKED)
	@$(PYTHON) -m ruff check $(CHECKED)
	@$(PYTHON) -m mypy infra plans shop stacks tests tools conftest.py services/*/tests
	@MYPYPATH=$(subst $(space),:,$(wildcard services/*)) $(PYTHON) -m mypy $(addprefix -p ,$(PACKAGES))
	@$(PYTHON) -m infra.service.catalogue

format: .venv/.synced ## formats the code
	@$(PYTHON) -m ruff format $(CHECKED)
	@$(PYTHON) -m ruff check --fix $(CHECKED)

generate: .venv/.synced ## writes what follows from code: schemas, contracts of events, each openapi.json, gRPC, Dockerfiles, golden plans
	@$(PYTHON) -m infra.service.catalogue --schema > infra/service.schema.json
	@$(PYTHON) -m tools.protos
	@$(PYTHON) -m tools.dockerfiles
	@$(PYTHON) -m tools.contracts
	@$(PYTHON) -c "from catalog.storefront.schema import schema; print(schema)" > services/catalog/schema.graphql
	@for main in services/*/*/__main__.py; do folder="$$(dirname "$$main")"; \
	  $(PYTHON) -m "$$(basename "$$folder")" openapi > "$$(dirname "$$folder")/openapi.json" || exit 1; done
	@$(PYTHON) -m tests.golden

new-service: .venv/.synced ## a service that works, to start from: make new-service NAME=loyalty LANGUAGE=python
	@$(PYTHON) -m tools.new_service "$(NAME)" "$(or $(LANGUAGE),python)"

seed: setup ## fills the shop with products and stock; with ORDERS=20 also with customers and orders
	@$(ENVIRONMENT) && $(PYTHON) -m shop.seed $(STACK) $(if $(ORDERS),--orders $(ORDERS))

staff: setup ## lets somebody who has signed up change products and stock: make staff EMAIL=...
	@$(ENVIRONMENT) && $(PYTHON) -m shop.staff "$(EMAIL)" $(STACK)

login: ## lets docker push to the registry of the AWS account, or pull from REGISTRY
	@region="$${AWS_REGION:-$$(aws configure get region)}" && account="$$(aws sts get-caller-identity --query Account --output text)" && \
	aws ecr get-login-password --region "$$region" | \
	docker login --username AWS --password-stdin "$${REGISTRY:-$$account.dkr.ecr.$$region.amazonaws.com}"

manifests: .venv/.synced ## every Kubernetes object of an environment as YAML: make manifests STACK=prod
	@$(PYTHON) -m plans.manifests $(STACK)

cost: .venv/.synced ## what an environment costs a month: make cost STACK=dev
	@$(PYTHON) -m plans.cost $(STACK)

critical-path: .venv/.synced ## how long an environment takes at least, and why: make critical-path STACK=dev
	@$(PYTHON) -m plans.critical_path $(STACK)

bench: setup ## measures the running system, and the AWS program on mocks; prints tables, saves bench.json
	@$(ENVIRONMENT) && $(PYTHON) -m tests.bench.system && $(PYTHON) -m tests.bench.messages && $(PYTHON) -m tests.bench.program
