"""The way of a request on AWS, from the gateway to the pods: exact resources, and who may talk to whom."""

import json
from collections.abc import Callable
from logging import getLogger
from typing import Any

import pulumi_aws as aws
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from infra.aws.api import Api, ApiArgs, Stage, StageArgs
from infra.aws.domain import Domain, DomainArgs
from infra.aws.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.capabilities.routes.aws import ServiceIngress, ServiceIngressArgs
from infra.capabilities.routes.declaration import Route, Throttle
from infra.local.gateway.access_log import AccessLog
from plans.planned import Plan, plan
from tests.aws.attributes import resolved
from tests.aws.environments import DEV, PROTECTED

PLACE = Route(method="POST", path="/orders", scopes=("orders/write",), throttle=Throttle(rate_per_second=5, burst=9))
LOOK = Route(method="GET", path="/orders/{id}", scopes=("orders/read", "orders/write"))
SIGN_UP = Route(method="POST", path="/users", public=True)
SERVICES = {"orders": (PLACE, LOOK), "users": (SIGN_UP,)}
ISSUER = "https://cognito-idp.eu-central-1.amazonaws.com/pool"
LOAD_BALANCER_ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:{}"


def edge(
    services: dict[str, tuple[Route, ...]] = SERVICES,
    domain: str | None = None,
    protected: bool = False,
    then: Callable[[dict[str, ServiceIngress]], None] = lambda entrances: None,
) -> tuple[Plan, dict[str, dict[str, Any]]]:
    """The plan of a whole edge, and what the attributes of its parts come to."""
    seen: dict[str, dict[str, Any]] = {}

    def program() -> None:
        own = Domain("domain", DomainArgs(domain=domain, zone_id="Z1")) if domain else None
        balancer = LoadBalancer(
            "balancer",
            LoadBalancerArgs(
                environment=PROTECTED if protected else DEV,
                vpc_id="vpc-1",
                subnet_ids=["subnet-a", "subnet-b"],
                cluster_security_group_id="sg-cluster",
                certificate_arn=own.certificate_arn if own else None,
            ),
        )
        api = Api(
            "api",
            ApiArgs(
                environment=DEV,
                vpc_id="vpc-1",
                subnet_ids=["subnet-a", "subnet-b"],
                load_balancer=balancer,
                issuer=ISSUER,
                audience=["client"],
                verify_server_name=own.internal_name if own else None,
                own_domain=own is not None,
            ),
        )
        entrances = {
            service: ServiceIngress(
                f"{service}-entrance",
                ServiceIngressArgs(
                    service=service,
                    routes=routes,
                    api=api,
                    load_balancer=balancer,
                    vpc_id="vpc-1",
                    cluster_name="shop-dev",
                ),
            )
            for service, routes in services.items()
        }
        stage_args = StageArgs(environment=DEV, api=api, log_days=30, log_key_arn="arn:log-key", domain=own)
        stage = Stage("stage", stage_args)
        seen["balancer"] = resolved(balancer, "listener_arn", "arn_suffix", "security_group_id", "port")
        seen["api"] = resolved(api, "id", "endpoint", "vpc_link_id", "authorizer_id")
        seen["stage"] = resolved(stage, "url")
        for name, each in entrances.items():
            seen[name] = resolved(each, "target_group_arn", "target_group_arn_suffix")
        then(entrances)

    return plan(program), seen


@pytest.fixture(scope="module")
def recorded() -> Plan:
    return edge()[0]


@pytest.fixture(scope="module")
def with_domain() -> Plan:
    return edge(domain="api.shop.example")[0]


def slice_of(service: str, routes: set[str]) -> set[tuple[str, str]]:
    return {
        ("shop:aws:ServiceIngress", f"{service}-entrance"),
        ("aws:lb/targetGroup:TargetGroup", service),
        ("aws:lb/listenerRule:ListenerRule", f"{service}-entrance"),
        ("aws:apigatewayv2/integration:Integration", f"{service}-entrance"),
    } | {("aws:apigatewayv2/route:Route", route) for route in routes}


# Who may talk to whom


def rules(recorded: Plan, kind: str) -> set[tuple[Any, ...]]:
    """(whose group, the other group, protocol, ports); a rule for addresses would have no other group."""
    return {
        (
            each.inputs["securityGroupId"],
            each.inputs.get("referencedSecurityGroupId"),
            each.inputs["ipProtocol"],
            each.inputs["fromPort"],
            each.inputs["toPort"],
        )
        for each in recorded.of_type(f":SecurityGroup{kind}Rule")
    }


@pytest.mark.parametrize(("domain", "port"), [(None, 80), ("api.shop.example", 443)])
def test_the_gateway_reaches_the_balancer_the_balancer_reaches_services_and_nobody_reaches_more(
    domain: str | None, port: int
) -> None:
    recorded, _ = edge(domain=domain)

    assert rules(recorded, "Egress") == {
        ("api-link-id", "balancer-id", "tcp", port, port),
        ("balancer-id", "sg-cluster", "tcp", 8080, 8080),
    }
    assert rules(recorded, "Ingress") == {
        ("balancer-id", "api-link-id", "tcp", port, port),
        ("sg-cluster", "balancer-id", "tcp", 8080, 8080),
    }
    for group in recorded.of_type(":SecurityGroup"):
        assert {"ingress", "egress"}.isdisjoint(group.inputs)


def test_a_protected_balancer_cannot_be_deleted() -> None:
    recorded, _ = edge(protected=True)

    assert recorded.named("aws:lb/loadBalancer:LoadBalancer", "balancer")["enableDeletionProtection"] is True


def test_with_a_certificate_the_listener_speaks_modern_tls_and_the_gateway_checks_whom_it_talks_to(
    with_domain: Plan,
) -> None:
    listener = with_domain.named(":Listener", "balancer")
    certificate = with_domain.named(":Certificate", "domain")

    assert (listener["protocol"], listener["port"]) == ("HTTPS", 443)
    assert listener["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    assert listener["certificateArn"] == with_domain.named(":CertificateValidation", "domain")["certificateArn"]
    assert certificate["subjectAlternativeNames"] == ["internal.api.shop.example"]
    for integration in with_domain.of_type(":Integration"):
        assert integration.inputs["tlsConfig"] == {"serverNameToVerify": "internal.api.shop.example"}


# A service's entrance


def test_the_balancer_knows_a_service_by_the_header_that_only_the_gateway_sets(recorded: Plan) -> None:
    rule = recorded.named(":ListenerRule", "orders-entrance")
    integration = recorded.named(":Integration", "orders-entrance")

    assert rule["conditions"] == [{"httpHeader": {"httpHeaderName": "x-shop-service", "values": ["orders"]}}]
    assert integration["requestParameters"]["overwrite:header.x-shop-service"] == "orders"
    assert integration["integrationUri"] == rule["listenerArn"]


def test_a_route_needs_a_token_with_one_of_its_scopes_unless_it_is_public(recorded: Plan) -> None:
    assert recorded.named(":Route", "POST /orders") == {
        "apiId": "api-id",
        "routeKey": "POST /orders",
        "target": "integrations/orders-entrance-id",
        "authorizationType": "JWT",
        "authorizerId": "api-people-id",
        "authorizationScopes": ["orders/write"],
    }
    assert recorded.named(":Route", "GET /orders/{}")["authorizationScopes"] == ["orders/read", "orders/write"]
    assert recorded.named(":Route", "POST /users") == {
        "apiId": "api-id",
        "routeKey": "POST /users",
        "target": "integrations/users-entrance-id",
        "authorizationType": "NONE",
    }


def test_whoever_binds_pods_to_a_target_group_waits_until_the_balancer_uses_it() -> None:
    def bind(entrances: dict[str, ServiceIngress]) -> None:
        aws.ssm.Parameter("binding", type="String", value=entrances["orders"].target_group_arn)

    bound, seen = edge(then=bind)

    rule = bound.one(":ListenerRule", "orders-entrance")
    assert rule.urn in bound.one(":Parameter", "binding").dependencies
    assert seen["orders"] == {
        "target_group_arn": LOAD_BALANCER_ARN.format("targetgroup/orders/1"),
        "target_group_arn_suffix": "targetgroup/orders/1",
    }


# The stage


def test_every_route_has_both_limits_and_so_has_the_stage(recorded: Plan) -> None:
    stage = recorded.named("aws:apigatewayv2/stage:Stage", "stage")

    assert stage["defaultRouteSettings"] == {"throttlingRateLimit": 100, "throttlingBurstLimit": 200}
    assert stage["routeSettings"] == [
        {"routeKey": "POST /orders", "throttlingRateLimit": 5, "throttlingBurstLimit": 9},
        {"routeKey": "GET /orders/{id}", "throttlingRateLimit": 100, "throttlingBurstLimit": 200},
        {"routeKey": "POST /users", "throttlingRateLimit": 100, "throttlingBurstLimit": 200},
    ]


def test_the_stage_comes_after_the_routes_that_it_has_settings_for(recorded: Plan) -> None:
    needed = recorded.one("aws:apigatewayv2/stage:Stage").dependencies

    assert {route.urn for route in recorded.of_type(":Route")} <= needed


def test_without_a_domain_people_come_by_the_address_that_aws_gives() -> None:
    recorded, seen = edge()

    assert recorded.named("aws:apigatewayv2/api:Api", "api") == {
        "name": "shop-dev",
        "protocolType": "HTTP",
        "disableExecuteApiEndpoint": False,
    }
    assert seen["stage"] == {"url": "https://api.execute-api.eu-central-1.amazonaws.com"}


def test_with_a_domain_people_come_by_it_alone(with_domain: Plan) -> None:
    assert with_domain.named("aws:apigatewayv2/api:Api", "api")["disableExecuteApiEndpoint"] is True
    assert edge(domain="api.shop.example")[1]["stage"] == {"url": "https://api.shop.example"}


def test_the_certificate_is_proven_by_a_record_for_each_of_its_names(with_domain: Plan) -> None:
    proofs = [with_domain.named(":Record", f"domain-proof-{index}")["name"] for index in range(2)]

    assert proofs == ["_validation.api.shop.example.", "_validation.internal.api.shop.example."]
    assert with_domain.named(":CertificateValidation", "domain")["validationRecordFqdns"] == proofs


# Growth and change


def test_another_service_adds_its_slice_and_changes_the_settings_of_the_stage_alone(recorded: Plan) -> None:
    pay = Route(method="GET", path="/payments/{id}", scopes=("payments/read",))
    after, _ = edge(SERVICES | {"payments": (pay,)})

    def inputs(each: Plan) -> dict[tuple[str, str], dict[str, Any]]:
        return {(resource.type, resource.name): resource.inputs for resource in each.resources}

    old, new = inputs(recorded), inputs(after)
    assert after.registered() - recorded.registered() == slice_of("payments", {"GET /payments/{}"})
    assert {key for key in old if new[key] != old[key]} == {("aws:apigatewayv2/stage:Stage", "stage")}


def test_a_route_that_moves_or_renames_its_variable_is_the_same_resource(recorded: Plan) -> None:
    renamed = LOOK.model_copy(update={"path": "/orders/{order}"})
    after, _ = edge({"orders": (PLACE,), "users": (SIGN_UP, renamed)})

    assert after.one(":Route", "GET /orders/{}").urn == recorded.one(":Route", "GET /orders/{}").urn
    assert after.named(":Route", "GET /orders/{}")["routeKey"] == "GET /orders/{order}"


def test_the_laptop_writes_the_same_access_log(recorded: Plan, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="gateway.access"):
        AccessLog(getLogger("gateway.access"), "").log(make_mocked_request("GET", "/orders"), web.Response(), 0.1)

    stage = recorded.named("aws:apigatewayv2/stage:Stage", "stage")
    assert list(json.loads(caplog.messages[0])) == list(json.loads(stage["accessLogSettings"]["format"]))
