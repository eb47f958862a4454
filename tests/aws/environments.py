"""Environments that components of AWS are made for in tests."""

from dataclasses import replace

from infra.aws.environment import Environment
from plans.made_up import ACCOUNT, REGION

DEV = Environment(
    name="dev",
    prefix="shop-dev",
    region=REGION,
    account=ACCOUNT,
    permissions_boundary_arn=None,
    protected=False,
)
PROTECTED = replace(DEV, protected=True)
BOUNDED = replace(DEV, permissions_boundary_arn="arn:boundary")
