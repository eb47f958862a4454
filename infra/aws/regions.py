"""Where an environment can be: the regions of the partition `aws` that have everything it is made of, and their zones.

Two of its parts are not everywhere:

- The VPC link of an HTTP API is in some regions, and not in all zones of these ("Set up VPC links V2 in API Gateway:
  Availability by Region", API Gateway developer guide). Elsewhere it is refused: "Subnet is in Availability Zone
  'euw3-az2' where service is not available" (aws-cdk#13569).
- RDS signs its certificates with roots of the region, which have to be at hand (`rds_roots`).

EKS refuses use1-az3, usw1-az2 and cac1-az3 ("View Amazon EKS networking requirements for VPC and subnets"), which have
no VPC links either.

The partitions of China and of the US government have other names and other services (Cognito's user pools are not in
China): no environment can be there, and every ARN of the program begins with `arn:aws:`.
"""

from collections.abc import Mapping, Sequence

from infra.aws import rds_roots

# Region -> the numbers of its zones that have VPC links, after the beginning of their ids.
_VPC_LINKS: Mapping[str, tuple[str, Sequence[int]]] = {
    "ap-east-1": ("ape1", (2, 3)),
    "ap-northeast-1": ("apne1", (1, 2, 4)),
    "ap-northeast-2": ("apne2", (1, 2, 3)),
    "ap-south-1": ("aps1", (1, 2, 3)),
    "ap-southeast-1": ("apse1", (1, 2, 3)),
    "ap-southeast-2": ("apse2", (1, 2, 3)),
    "ca-central-1": ("cac1", (1, 2)),
    "eu-central-1": ("euc1", (1, 2, 3)),
    "eu-north-1": ("eun1", (1, 2, 3)),
    "eu-south-2": ("eus2", (1, 2, 3)),
    "eu-west-1": ("euw1", (1, 2, 3)),
    "eu-west-2": ("euw2", (1, 2, 3)),
    "eu-west-3": ("euw3", (1, 3)),
    "me-south-1": ("mes1", (1, 2, 3)),
    "sa-east-1": ("sae1", (1, 2, 3)),
    "us-east-1": ("use1", (1, 2, 4, 5, 6)),
    "us-east-2": ("use2", (1, 2, 3)),
    "us-west-1": ("usw1", (1, 3)),
    "us-west-2": ("usw2", (1, 2, 3, 4)),
}


def supported() -> Sequence[str]:
    """The regions, in order."""
    return sorted(_VPC_LINKS.keys() & set(rds_roots.regions()))


def zone_ids(region: str) -> frozenset[str]:
    """The zones of a region that an environment can use, by their ids: an id is one place, a name (`us-east-1a`) is
    another one in each account.

    Raises:
        KeyError: for a region that is not among `supported`.
    """
    prefix, numbers = _VPC_LINKS[region]
    return frozenset(f"{prefix}-az{number}" for number in numbers)
