"""The policy pack: `pulumi preview --policy-pack infra/policies`. Every rule is mandatory."""

import sys
from pathlib import Path

from pulumi_policy import EnforcementLevel, PolicyPack

from infra.policies.pack import policies
from infra.policies.rules import RULES
from infra.service import catalogue

SERVICES = Path(__file__).resolve().parents[2] / "services"

try:
    declared = catalogue.load(SERVICES)
except catalogue.CatalogueError as error:
    sys.exit(str(error))
public = frozenset(route.key for spec in declared for route in spec.routes if route.public)
PolicyPack(name="shop", policies=policies(RULES, public), enforcement_level=EnforcementLevel.MANDATORY)
