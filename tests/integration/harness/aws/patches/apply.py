"""All patches of this folder."""

from tests.integration.harness.aws.patches import api_gateway, eks, others, rds


def apply_patches() -> None:
    """Once, before the first request. MiniStack, which this module imports, reads its variables then."""
    for part in (eks, rds, api_gateway, others):
        for patch in part.PATCHES:
            patch()
