"""The gateway: an HTTP API that checks tokens and scopes, throttles, and passes requests to the load balancer.

What AWS allows of routes, integrations and the like: infra/service/quotas.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws.domain import Domain
from infra.aws.environment import Environment
from infra.aws.load_balancer import LoadBalancer
from infra.contract import DEFAULT_BURST, DEFAULT_RATE_PER_SECOND

ACCESS_LOG = {
    "requestId": "requestId",
    "requestTime": "requestTime",
    "ip": "identity.sourceIp",
    "httpMethod": "httpMethod",
    "routeKey": "routeKey",
    "path": "path",
    "protocol": "protocol",
    "status": "status",
    "responseLength": "responseLength",
    "responseLatency": "responseLatency",
    "integrationLatency": "integrationLatency",
    "integrationErrorMessage": "integrationErrorMessage",
    "authorizerError": "authorizer.error",
    "sub": "authorizer.claims.sub",
}
"""Field -> variable of `$context`. The same fields as on the laptop; latencies in milliseconds; no query, no token."""


@dataclass(frozen=True, kw_only=True)
class ApiArgs:
    environment: Environment
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    """Where the load balancer stands, one per zone."""
    load_balancer: LoadBalancer
    issuer: pulumi.Input[str]
    audience: Sequence[pulumi.Input[str]]
    """Client ids whose tokens are accepted."""
    verify_server_name: str | None
    """The name in the load balancer's certificate; None when it speaks HTTP."""
    own_domain: bool
    """Whether people come by a domain of our own; AWS's address is closed then."""


@dataclass(frozen=True, kw_only=True)
class ThrottledRoute:
    """A route that is there, and what it lets through."""

    key: str
    """`GET /orders/{id}`"""
    rate_per_second: int
    burst: int
    resource: pulumi.Resource


class Api(pulumi.ComponentResource):
    """An HTTP API, its check of tokens, and its way into the network: to the load balancer and nowhere else."""

    id: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    vpc_link_id: pulumi.Output[str]
    authorizer_id: pulumi.Output[str]
    routes: list[ThrottledRoute]
    """Of all services that have been made so far."""

    def __init__(self, name: str, args: ApiArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Api", name, None, opts)
        self.verify_server_name, self.routes = args.verify_server_name, []
        api = aws.apigatewayv2.Api(
            name,
            name=args.environment.prefix,  # a label, unique or not
            protocol_type="HTTP",
            disable_execute_api_endpoint=args.own_domain,
            opts=ResourceOptions(parent=self),
        )
        self.id, self.endpoint = api.id, api.api_endpoint
        self.vpc_link_id = self._link(name, args)
        # Cognito's access tokens have no `aud`; the gateway looks for the audience in `client_id` then.
        self.authorizer_id = aws.apigatewayv2.Authorizer(
            f"{name}-people",
            api_id=api.id,
            name="people",
            authorizer_type="JWT",
            identity_sources=["$request.header.Authorization"],
            jwt_configuration=aws.apigatewayv2.AuthorizerJwtConfigurationArgs(
                issuer=args.issuer, audiences=list(args.audience)
            ),
            opts=ResourceOptions(parent=self),
        ).id
        self.register_outputs({"id": self.id, "endpoint": self.endpoint})

    def _link(self, name: str, args: ApiArgs) -> pulumi.Output[str]:
        balancer = args.load_balancer
        group = aws.ec2.SecurityGroup(
            f"{name}-link",
            vpc_id=args.vpc_id,
            description="API Gateway's way into the network",
            opts=ResourceOptions(parent=self),
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-link",
            security_group_id=group.id,
            referenced_security_group_id=balancer.security_group_id,
            ip_protocol="tcp",
            from_port=balancer.port,
            to_port=balancer.port,
            description="The internal load balancer",
            opts=ResourceOptions(parent=self),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-link",
            security_group_id=balancer.security_group_id,
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=balancer.port,
            to_port=balancer.port,
            description="API Gateway",
            opts=ResourceOptions(parent=self),
        )
        return aws.apigatewayv2.VpcLink(
            f"{name}-link",
            name=args.environment.prefix,
            subnet_ids=list(args.subnet_ids),
            security_group_ids=[group.id],
            opts=ResourceOptions(parent=self),
        ).id


@dataclass(frozen=True, kw_only=True)
class StageArgs:
    environment: Environment
    api: Api
    """With all its routes."""
    log_days: int
    log_key_arn: pulumi.Input[str]
    domain: Domain | None


class Stage(pulumi.ComponentResource):
    """What people see of the API: it is open, throttled and logged.

    Both limits of a throttle are always given, for the stage and for each route: where a setting is there and a limit
    is left out, the limit is 0 and every call is answered 429. Detailed metrics are off: they are billed by the route,
    and the access log has what they say.
    """

    url: pulumi.Output[str]
    """Known when somebody answers there."""

    def __init__(self, name: str, args: StageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Stage", name, None, opts)
        log = aws.cloudwatch.LogGroup(
            name,
            # Below /aws/vendedlogs every delivery shares one resource policy; elsewhere each group is written into it,
            # until it is full (5,120 characters for all of the account).
            name=f"/aws/vendedlogs/{args.environment.prefix}/api",
            retention_in_days=args.log_days,
            kms_key_id=args.log_key_arn,
            opts=ResourceOptions(parent=self),
        )
        stage = aws.apigatewayv2.Stage(
            name,
            api_id=args.api.id,
            name="$default",
            auto_deploy=True,
            access_log_settings=aws.apigatewayv2.StageAccessLogSettingsArgs(
                destination_arn=log.arn,
                format=pulumi.Output.json_dumps({key: f"$context.{value}" for key, value in ACCESS_LOG.items()}),
            ),
            default_route_settings=aws.apigatewayv2.StageDefaultRouteSettingsArgs(
                throttling_rate_limit=DEFAULT_RATE_PER_SECOND, throttling_burst_limit=DEFAULT_BURST
            ),
            route_settings=[
                aws.apigatewayv2.StageRouteSettingArgs(
                    route_key=route.key,
                    throttling_rate_limit=route.rate_per_second,
                    throttling_burst_limit=route.burst,
                )
                for route in args.api.routes
            ],
            # A setting for a route that is not there is refused.
            opts=ResourceOptions(parent=self, depends_on=[route.resource for route in args.api.routes]),
        )
        self.url = (
            self._mapped(name, args, args.domain, stage)
            if args.domain
            else pulumi.Output.all(args.api.endpoint, stage.id).apply(lambda each: str(each[0]))
        )
        self.register_outputs({"url": self.url})

    def _mapped(self, name: str, args: StageArgs, domain: Domain, stage: aws.apigatewayv2.Stage) -> pulumi.Output[str]:
        mapping = aws.apigatewayv2.ApiMapping(
            name,
            api_id=args.api.id,
            domain_name=domain.domain_name,
            stage=stage.name,
            opts=ResourceOptions(parent=self),
        )
        return mapping.id.apply(lambda _: f"https://{domain.domain}")
