"""What the patches are told by the emulator's environment."""

ENDPOINT = "SHOP_CLUSTER_ENDPOINT"
"""Variable with the address of the API server that stands for every EKS cluster."""
CERTIFICATE_AUTHORITY = "SHOP_CLUSTER_CA"
"""Variable with its certificate authority: PEM, base64."""
