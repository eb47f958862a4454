"""Who may reach a service, and what it may reach: exactly that."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from infra.contract import Egress, Pods
from infra.kubernetes.workload import WorkloadArgs
from tests.kubernetes.parts import FULL, LEAST, planned, with_binding

DNS: dict[str, Any] = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
CREDENTIALS = {"to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}], "ports": [{"port": 80, "protocol": "TCP"}]}
HTTPS: dict[str, Any] = {"ports": [{"port": 443, "protocol": "TCP"}]}
DATABASE = {"to": [{"ipBlock": {"cidr": "10.0.224.0/21"}}], "ports": [{"port": 5432, "protocol": "TCP"}]}
REQUESTS = [{"port": 8080, "protocol": "TCP"}]


def pods(service: str, component: str = "server") -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": service, "app.kubernetes.io/component": component}
    return {"podSelector": {"matchLabels": labels}}


def policy(args: WorkloadArgs, name: str) -> dict[str, Any]:
    spec: dict[str, Any] = planned(args).named(":NetworkPolicy", name)["spec"]
    return spec


def chosen(service: str, *components: str) -> dict[str, Any]:
    return {
        "matchLabels": {"app.kubernetes.io/name": service},
        "matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": list(components)}],
    }


def test_a_service_reaches_what_it_declares_and_is_reached_by_callers_collector_and_load_balancer() -> None:
    assert policy(FULL, "orders") == {
        "podSelector": chosen("orders", "server"),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {
                "from": [
                    pods("storefront"),
                    pods("otel-collector", "collector"),
                    {"ipBlock": {"cidr": "10.0.192.0/21"}},
                    {"ipBlock": {"cidr": "10.0.200.0/21"}},
                ],
                "ports": REQUESTS,
            }
        ],
        "egress": [
            DNS,
            CREDENTIALS,
            HTTPS,
            DATABASE,
            {"to": [pods("catalog"), pods("pricing")], "ports": REQUESTS},
            {"to": [pods("otel-collector", "collector")], "ports": [{"port": 4318, "protocol": "TCP"}]},
        ],
    }


def test_jobs_reach_the_database_and_aws_and_nobody_reaches_them() -> None:
    assert policy(FULL, "orders-jobs") == {
        "podSelector": chosen("orders", "bootstrap", "migration"),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [DNS, CREDENTIALS, HTTPS, DATABASE],
    }


def test_a_service_that_nobody_calls_accepts_nothing() -> None:
    assert policy(LEAST, "pricing") == {
        "podSelector": chosen("pricing", "server"),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [],
        "egress": [DNS, CREDENTIALS, HTTPS],
    }


@pytest.mark.parametrize("name", ["orders", "orders-jobs"])
def test_no_pod_reaches_the_metadata_of_its_node_and_with_it_the_role_of_the_node(name: str) -> None:
    metadata = ip_address("169.254.169.254")

    for rule in policy(FULL, name)["egress"]:
        if {"port": 80, "protocol": "TCP"} in rule["ports"]:
            assert [each for each in rule["to"] if metadata in ip_network(each["ipBlock"]["cidr"])] == []


def test_every_rule_names_ports_and_only_names_and_aws_are_reached_anywhere() -> None:
    spec = policy(FULL, "orders")

    assert all(rule["ports"] for rule in [*spec["ingress"], *spec["egress"]])
    assert [rule for rule in spec["egress"] if not rule.get("to")] == [DNS, HTTPS]
    assert all(rule["from"] for rule in spec["ingress"])


def test_a_peer_of_a_policy_is_found_by_the_selector_of_its_service() -> None:
    """Amazon's controller resolves a peer to a Service's address only then."""
    callee = planned(LEAST).named(":Service", "pricing")["spec"]["selector"]
    (rule,) = (
        each
        for each in policy(with_binding(FULL, egress=[Egress(to=[Pods("pricing")], port=8080)]), "orders")["egress"]
        if each["ports"] == REQUESTS
    )

    assert rule["to"] == [{"podSelector": {"matchLabels": callee}}]
