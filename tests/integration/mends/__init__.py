"""What MiniStack drops or lacks of the AWS that the program `stacks/aws.py` asks for, added in its own process.

Each mend is a function named after what AWS does. MiniStack's handlers are module-level functions, looked up when a
request comes; a mend puts one of ours around them. Written against the version that `uv.lock` pins: a mend that
misses its handler fails when the emulator starts.

"Does not remember" in a mend's description means: the request is accepted, the answer lacks it, and the provider wants
to set it again with every preview.
"""

ENDPOINT = "SHOP_CLUSTER_ENDPOINT"
"""Variable with the address of the API server that stands for every EKS cluster."""
CERTIFICATE_AUTHORITY = "SHOP_CLUSTER_CA"
"""Variable with its certificate authority: PEM, base64."""


def mend() -> None:
    """Every mend, once, before the first request. Imports MiniStack, which reads its variables then."""
    from tests.integration.mends import clusters, databases, gateway, others

    for part in (clusters, databases, gateway, others):
        for each in part.MENDS:
            each()
