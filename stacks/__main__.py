"""What `pulumi up` runs: picks the target of the stack."""

import pulumi

from infra.catalogue import CatalogueError
from stacks import local
from stacks.settings import SettingsError, configured, local_settings

try:
    local.deploy(pulumi.get_stack(), local_settings(pulumi.get_stack(), configured()))
except (CatalogueError, SettingsError) as error:
    raise pulumi.RunError(str(error)) from None
