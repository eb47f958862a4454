"""The names of the images, and what a program complains of when it is started without what it needs."""

from infra.service import catalogue
from tests.integration.harness.images.images import BOOTSTRAP
from tests.integration.harness.machine.paths import ROOT

DECLARED = catalogue.load(ROOT / "services").services
IN_GO = sorted(name for name, spec in DECLARED.items() if spec.language == "go")
IN_PYTHON = [*sorted(set(DECLARED) - set(IN_GO)), BOOTSTRAP]
NAMES = [*IN_PYTHON, *IN_GO]
BAD_ENVIRONMENT = {"LOG_LEVEL": "deafening"}
