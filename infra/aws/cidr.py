"""How a network is divided: pure arithmetic."""

from dataclasses import dataclass
from ipaddress import IPv4Network

LARGEST, SMALLEST = 16, 20
"""Prefix lengths of a VPC. AWS allows 16 to 28; below 20 a zone has too few addresses for nodes and pods."""
MAX_ZONES = 3


@dataclass(frozen=True)
class Subnets:
    """One block of each kind per zone, in the order of the zones. No two of them overlap."""

    public: tuple[str, ...]
    private: tuple[str, ...]
    database: tuple[str, ...]
    entrance: tuple[str, ...]
    """For the load balancer alone: by its addresses it is told from pods and nodes."""


def subnets(cidr: str, zones: int) -> Subnets:
    """Divides `cidr` for 1 to 3 zones: a quarter of it per zone for nodes and pods, an eighth of the last quarter each
    for what is public and for databases, a quarter of such an eighth for the load balancer. A zone more changes no
    block of the others.

    10.0.0.0/16 has private blocks of 16,384 addresses, public and database blocks of 2,048, entrances of 512. The
    smallest network has entrances of 32, of which a load balancer takes 8 to 100 altogether.

    Raises:
        ValueError: when `cidr` is no private IPv4 network of 16 to 20 bits, or `zones` not 1 to 3.
    """
    network = IPv4Network(cidr)
    if not LARGEST <= network.prefixlen <= SMALLEST:
        raise ValueError(f"/{network.prefixlen} is invalid: a VPC here has /{LARGEST} to /{SMALLEST}")
    if not network.is_private:
        raise ValueError("is no private network: take one in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    if not 1 <= zones <= MAX_ZONES:
        raise ValueError(f"{zones} zones are invalid: 1 to {MAX_ZONES}")
    *private, rest = network.subnets(prefixlen_diff=2)
    eighths = list(rest.subnets(prefixlen_diff=3))
    entrances = list(eighths[MAX_ZONES].subnets(prefixlen_diff=2))
    return Subnets(
        public=tuple(map(str, eighths[:zones])),
        private=tuple(map(str, private[:zones])),
        database=tuple(map(str, eighths[MAX_ZONES + 1 :][:zones])),
        entrance=tuple(map(str, entrances[:zones])),
    )
