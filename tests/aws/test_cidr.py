"""How a network is divided."""

from ipaddress import IPv4Network
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.aws.cidr import LARGEST, MAX_ZONES, SMALLEST, Subnets, subnets


@st.composite
def private_networks(draw: st.DrawFn) -> IPv4Network:
    """Any network that a VPC here may have."""
    whole = IPv4Network(draw(st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])))
    length = draw(st.integers(LARGEST, SMALLEST))
    index = draw(st.integers(0, 2 ** (length - whole.prefixlen) - 1))
    return IPv4Network((int(whole.network_address) + index * 2 ** (32 - length), length))


def blocks(divided: Subnets) -> list[IPv4Network]:
    return [IPv4Network(block) for kind in kinds(divided) for block in kind]


def kinds(divided: Subnets) -> list[tuple[str, ...]]:
    return [divided.public, divided.private, divided.database, divided.entrance]


@given(private_networks(), st.integers(1, MAX_ZONES))
def test_every_block_lies_in_the_network_and_no_two_overlap(network: IPv4Network, zones: int) -> None:
    divided = blocks(subnets(str(network), zones))

    assert len(divided) == 4 * zones
    assert all(block.subnet_of(network) for block in divided)
    assert not any(one.overlaps(other) for one, other in combinations(divided, 2))


@given(private_networks(), st.integers(1, MAX_ZONES))
def test_each_zone_has_one_block_of_each_kind_and_all_of_a_kind_are_of_one_size(
    network: IPv4Network, zones: int
) -> None:
    divided = subnets(str(network), zones)
    lengths = [{IPv4Network(block).prefixlen - network.prefixlen for block in kind} for kind in kinds(divided)]

    assert list(map(len, kinds(divided))) == [zones] * 4
    assert lengths == [{5}, {2}, {5}, {7}]


@given(private_networks())
def test_a_zone_more_shifts_no_block_of_the_others(network: IPv4Network) -> None:
    for fewer, more in pairwise(subnets(str(network), zones) for zones in range(1, MAX_ZONES + 1)):
        for before, after in zip(kinds(fewer), kinds(more), strict=True):
            assert after[: len(before)] == before


@given(private_networks(), st.integers(1, MAX_ZONES))
def test_eks_and_rds_have_the_addresses_that_they_ask_for(network: IPv4Network, zones: int) -> None:
    """EKS wants six free addresses per subnet and recommends sixteen, a load balancer eight; AWS itself keeps five."""
    assert all(block.num_addresses >= 16 + 5 for block in blocks(subnets(str(network), zones)))


def test_the_usual_network_is_divided_so() -> None:
    assert subnets("10.0.0.0/16", 3) == Subnets(
        public=("10.0.192.0/21", "10.0.200.0/21", "10.0.208.0/21"),
        private=("10.0.0.0/18", "10.0.64.0/18", "10.0.128.0/18"),
        database=("10.0.224.0/21", "10.0.232.0/21", "10.0.240.0/21"),
        entrance=("10.0.216.0/23", "10.0.218.0/23", "10.0.220.0/23"),
    )


@pytest.mark.parametrize(
    ("cidr", "zones", "said"),
    [
        ("10.0.0.0/15", 2, "/15 is invalid: a VPC here has /16 to /20"),
        ("10.0.0.0/21", 2, "/21 is invalid: a VPC here has /16 to /20"),
        ("8.8.0.0/16", 2, "is no private network: take one in 10.0.0.0/8"),
        ("10.0.0.0/16", 0, "0 zones are invalid: 1 to 3"),
        ("10.0.0.0/16", 4, "4 zones are invalid: 1 to 3"),
        ("10.0.0.1/16", 2, "has host bits set"),
        ("fd00::/16", 2, "Expected 4 octets"),
        ("ten", 2, "Expected 4 octets"),
    ],
)
def test_what_cannot_be_divided_is_refused_with_what_would_do(cidr: str, zones: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        subnets(cidr, zones)
