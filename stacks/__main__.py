"""What `pulumi up` runs: picks the target of the stack."""

import signal

import pulumi

from infra.catalogue import CatalogueError
from stacks import settings

# When a resource fails the engine interrupts the program: a stack of Python's calls would hide why.
signal.signal(signal.SIGINT, signal.SIG_DFL)

stack = pulumi.get_stack()
try:
    # Each imports what its target needs: a laptop no AWS, AWS no supervisor.
    if stack == settings.LOCAL:
        from stacks import local

        local.deploy(stack, settings.local_settings(stack, settings.configured()))
    else:
        from stacks import aws

        aws.deploy(stack, settings.aws_settings(stack, settings.configured()))
except (CatalogueError, settings.SettingsError) as error:
    raise pulumi.RunError(str(error)) from None
