"""What `pulumi up` runs: picks the target of the stack."""

import signal

import pulumi

from infra.service import catalogue
from stacks import settings

# When a resource fails the engine interrupts the program: a stack of Python's calls would hide why.
signal.signal(signal.SIGINT, signal.SIG_DFL)

stack = pulumi.get_stack()
try:
    # Each imports what its target needs: a laptop no AWS, AWS no supervisor. What a service is made of is looked at
    # before the program runs: it would register, and change, what comes before the service whose code is not there.
    if stack == settings.LOCAL:
        from stacks import local

        here = settings.local_settings(stack, settings.configured())
        catalogue.load(local.ROOT / here.services, code="run")
        local.deploy(stack, here)
    else:
        from stacks import aws

        there = settings.aws_settings(stack, settings.configured())
        catalogue.load(aws.ROOT / there.services, code=None if there.images.digests else "build")
        aws.deploy(stack, there)
except (catalogue.CatalogueError, settings.SettingsError) as error:
    raise pulumi.RunError(str(error)) from None
