"""Routes on AWS: how requests reach a service, through the gateway and the load balancer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws import tags
from infra.aws.api import Api, ThrottledRoute
from infra.aws.foundation import Capability
from infra.aws.load_balancer import LoadBalancer
from infra.capabilities.routes import signals
from infra.capabilities.routes.declaration import Route, RoutesDeclaration
from infra.contract import GATEWAY_TIMEOUT_SECONDS, NOTHING, Binding
from infra.kubernetes.pods import BALANCER_DRAIN_SECONDS, PORT

SERVICE_HEADER = "x-shop-service"
"""By it the load balancer knows whom a request is for. The gateway overwrites it, and nobody else reaches the balancer,
so a caller cannot choose. Listener rules compare names and values of headers without regard to case."""
DEREGISTRATION_SECONDS = GATEWAY_TIMEOUT_SECONDS
"""How long a request may still take that was sent to a pod before it left: as long as the gateway waits for any. The
pod is there for longer (pods.BALANCER_DRAIN_SECONDS, and its time to shut down)."""


class Routes(Capability):
    def bind(self, spec: RoutesDeclaration, opts: ResourceOptions) -> Binding:
        if not spec.routes:
            return NOTHING
        on = self.on
        args = ServiceIngressArgs(
            service=spec.name,
            routes=spec.routes,
            api=on.api,
            load_balancer=on.load_balancer,
            vpc_id=on.network.vpc_id,
            cluster_name=on.environment.prefix,
        )
        ingress = ServiceIngress(f"{spec.name}-entrance", args, opts)
        dimensions = {
            "TargetGroup": ingress.target_group_arn_suffix,
            "LoadBalancer": on.load_balancer.arn_suffix,
        }
        return Binding(
            ingress=on.network.entrance_cidrs,
            target_group_arns=[ingress.target_group_arn],
            drain_seconds=BALANCER_DRAIN_SECONDS,
            charts=signals.charts(dimensions),
            alarms=signals.alarms(dimensions),
        )


@dataclass(frozen=True, kw_only=True)
class ServiceIngressArgs:
    service: str
    routes: Sequence[Route]
    api: Api
    load_balancer: LoadBalancer
    vpc_id: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    """A plain name, not the cluster's output: the target group need not wait for the cluster."""


class ServiceIngress(pulumi.ComponentResource):
    """An integration, a target group and a listener rule for the service, and a route for each that it declares.

    API Gateway takes percent-encoding off a path before it maps it: of `/orders/a%2Fb` a service sees `/orders/a/b`.
    Ids here need no encoding, and services check token and scopes again, so nothing is won by it.
    """

    target_group_arn: pulumi.Output[str]
    """Known when the load balancer uses the group: until then it checks nobody's health, and pods that wait to be
    healthy there would wait for ever."""
    target_group_arn_suffix: pulumi.Output[str]

    def __init__(self, name: str, args: ServiceIngressArgs, opts: ResourceOptions | None = None) -> None:
        # Until 0.1.0 its type was another.
        renamed = ResourceOptions(aliases=[pulumi.Alias(type_="shop:aws:Entrance")])
        super().__init__("shop:aws:ServiceIngress", name, None, ResourceOptions.merge(opts, renamed))
        group = self._target_group(args)
        rule = aws.lb.ListenerRule(
            name,
            listener_arn=args.load_balancer.listener_arn,
            # No priority: no two rules match one request. The provider takes the highest plus one, and again when
            # another rule was quicker (PriorityInUse, for five minutes).
            conditions=[
                aws.lb.ListenerRuleConditionArgs(
                    http_header=aws.lb.ListenerRuleConditionHttpHeaderArgs(
                        http_header_name=SERVICE_HEADER, values=[args.service]
                    )
                )
            ],
            actions=[aws.lb.ListenerRuleActionArgs(type="forward", target_group_arn=group.arn)],
            tags=tags.of_service(args.service),
            opts=ResourceOptions(parent=self),
        )
        self.target_group_arn = pulumi.Output.all(group.arn, rule.arn).apply(lambda arns: str(arns[0]))
        self.target_group_arn_suffix = group.arn_suffix
        integration = self._integration(name, args)
        for route in args.routes:
            self._route(args.api, route, integration)
        self.register_outputs({"target_group_arn": self.target_group_arn})

    def _target_group(self, args: ServiceIngressArgs) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            # The service's name alone: with Pulumi's eight characters it may be 32 long, and that is all AWS takes.
            args.service,
            target_type="ip",
            port=PORT,
            protocol="HTTP",
            vpc_id=args.vpc_id,
            deregistration_delay=DEREGISTRATION_SECONDS,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                path="/readyz", matcher="200", interval=10, timeout=5, healthy_threshold=2, unhealthy_threshold=3
            ),
            # Without this tag EKS may not register pods in it.
            tags={"eks:eks-cluster-name": args.cluster_name, **tags.of_service(args.service)},
            opts=ResourceOptions(parent=self),
        )

    def _integration(self, name: str, args: ServiceIngressArgs) -> aws.apigatewayv2.Integration:
        server_name = args.api.verify_server_name
        return aws.apigatewayv2.Integration(
            name,
            api_id=args.api.id,
            integration_type="HTTP_PROXY",
            integration_method="ANY",
            integration_uri=args.load_balancer.listener_arn,
            connection_type="VPC_LINK",
            connection_id=args.api.vpc_link_id,
            payload_format_version="1.0",  # the only one for HTTP_PROXY
            timeout_milliseconds=GATEWAY_TIMEOUT_SECONDS * 1000,
            # None of them is reserved (those are authorization, x-forwarded-*, x-amz*-*, ...). Overwriting replaces
            # whatever a caller sent, so the request's id in services is the one in the access log.
            request_parameters={
                "overwrite:path": "$request.path",  # without the stage's name
                "overwrite:header.x-request-id": "$context.requestId",
                f"overwrite:header.{SERVICE_HEADER}": args.service,
            },
            tls_config=aws.apigatewayv2.IntegrationTlsConfigArgs(server_name_to_verify=server_name)
            if server_name is not None
            else None,
            opts=ResourceOptions(parent=self),
        )

    def _route(self, api: Api, route: Route, integration: aws.apigatewayv2.Integration) -> None:
        made = aws.apigatewayv2.Route(
            # A gateway has no two routes of one shape, not even for a moment. So a route that moves to another service,
            # or whose variable is renamed, stays the same resource and is updated in place.
            re.sub(r"{[^}+]*", "{", route.key),
            api_id=api.id,
            route_key=route.key,
            target=pulumi.Output.concat("integrations/", integration.id),
            authorization_type="NONE" if route.public else "JWT",
            authorizer_id=None if route.public else api.authorizer_id,
            authorization_scopes=None if route.public else list(route.scopes),
            opts=ResourceOptions(parent=self),
        )
        api.routes.append(
            ThrottledRoute(
                key=route.key,
                rate_per_second=route.throttle.rate_per_second,
                burst=route.throttle.burst,
                resource=made,
            )
        )
