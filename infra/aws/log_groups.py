"""Log groups whose names AWS gives, and which it makes by itself when they are missing.

EKS and the CloudWatch agent write until their end, and a little longer: a group that was deleted meanwhile is made
again, without an end to what it keeps (terraform-aws-eks#2763, #2446, #1019; no policy of the cluster's role prevents
it, as EKS does that by a role of its own). The next `up` could not create it. So the program takes over what it finds
(`Cluster`), and `make down` removes what came back (tools/log_groups.py).
"""


def control_plane(cluster: str) -> str:
    """Of EKS."""
    return f"/aws/eks/{cluster}/cluster"


def containers(cluster: str, kind: str) -> str:
    """Of the CloudWatch agent and Fluent Bit."""
    return f"/aws/containerinsights/{cluster}/{kind}"


def prefixes(cluster: str) -> tuple[str, str]:
    """The beginnings of all of them; no other cluster's begin so."""
    return f"/aws/eks/{cluster}/", f"/aws/containerinsights/{cluster}/"
