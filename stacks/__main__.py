"""What `pulumi up` runs: picks the target of the stack."""

import signal

import pulumi

from infra.service import catalogue
from stacks import settings

# When a resource fails the engine interrupts the program: a stack of Python's calls would hide why.
signal.signal(signal.SIGINT, signal.SIG_DFL)

stack = pulumi.get_stack()
try:
    # Each imports what its target needs: a laptop no AWS, AWS no supervisor.
    if stack == settings.LOCAL:
        from stacks import local

        local.deploy(stack, settings.local_settings(stack, settings.configured()), code="run")
    else:
        from stacks import aws, aws_settings

        there = aws_settings.aws_settings(stack, settings.configured())
        aws.deploy(stack, there, code=None if there.images.digests else "build")
except (catalogue.CatalogueError, settings.SettingsError) as error:
    raise pulumi.RunError(str(error)) from None
