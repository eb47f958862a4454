"""An environment on AWS: the parts of the system, in the order in which a request meets them."""

from pathlib import Path

import pulumi
from pulumi import ResourceOptions

from infra.aws import rds_roots, telemetry
from infra.aws.api import Api, ApiArgs, Stage, StageArgs
from infra.aws.cluster import Cluster, ClusterArgs
from infra.aws.databases import Databases, DatabasesArgs, Sizing
from infra.aws.domain import Domain, DomainArgs
from infra.aws.environment import Environment
from infra.aws.foundation import Foundation
from infra.aws.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.aws.log_key import LogKey, LogKeyArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.observability import Alarms, AlarmsArgs, Overview, OverviewArgs
from infra.aws.people import People, PeopleArgs
from infra.aws.telemetry import Telemetry, TelemetryArgs
from infra.capabilities.database.declaration import relational_engines
from infra.capabilities.routes.declaration import scopes
from infra.contract import NOTHING
from infra.kubernetes.platform import Platform, PlatformArgs
from infra.service import catalogue
from infra.service.aws import CAPABILITIES, Service, ServiceArgs
from infra.service.connections import over_connections
from infra.service.quotas import over_quota
from stacks import providers
from stacks.images import Images
from stacks.settings import PROJECT, AwsSettings

ROOT = Path(__file__).parent.parent


def deploy(stack: str, settings: AwsSettings) -> None:
    declared = catalogue.load(ROOT / settings.services)
    problems = over_quota(declared, settings.quotas, settings.databases.shared)
    problems += over_connections(
        declared, settings.databases.instance_class, settings.databases.shared, settings.bounded_scale
    )
    if problems:
        raise catalogue.CatalogueError(problems)
    prefix, region, account, protected = f"{PROJECT}-{stack}", settings.region, settings.account, settings.protected
    watched = settings.observability
    boundary = f"arn:aws:iam::{account}:policy/{prefix}-boundary" if settings.bounded else None
    cloud = providers.aws_provider(stack, settings)
    on_aws = ResourceOptions(providers=[cloud])

    # Who may come in, and by which door.
    people_args = PeopleArgs(
        prefix=prefix,
        scopes={spec.name: spec.scopes for spec in declared},
        callback_urls=settings.callback_urls,
        protected=protected,
        region=region,
        account=account,
    )
    people = People("people", people_args, on_aws)
    named = settings.domain
    domain = Domain("domain", DomainArgs(domain=named.name, zone_id=named.zone_id), on_aws) if named else None

    # Where everything stands.
    log_key_args = LogKeyArgs(prefix=prefix, region=region, account=account, protected=protected)
    log_key = LogKey("logs", log_key_args, on_aws)
    network_args = NetworkArgs(
        cidr=settings.network.cidr,
        zones=providers.zones(stack, settings, cloud),
        nat_per_zone=settings.network.nat_per_zone,
        flow_log_days=settings.network.flow_log_days,
        log_group_name=f"/{prefix}/flow-log",
        log_key_arn=log_key.arn,
        region=region,
        permissions_boundary_arn=boundary,
    )
    network = Network("network", network_args, on_aws)
    cluster_args = ClusterArgs(
        cluster_name=prefix,
        version=settings.cluster.version,
        subnet_ids=network.private_subnet_ids,
        egress=network.egress,
        admins=[f"arn:aws:iam::{account}:role/{prefix}-deploy", *settings.cluster.admins],
        viewers=settings.cluster.viewers,
        public_access_cidrs=settings.cluster.reached_from,
        log_days=settings.cluster.log_days,
        deletion_protection=protected,
        container_logs=watched.container_logs,
        existing_log_groups=providers.existing_log_groups(prefix, cloud),
        region=region,
        account=account,
        permissions_boundary_arn=boundary,
    )
    cluster = Cluster("cluster", cluster_args, on_aws)

    # The gateway checks tokens, scopes and throttles; the load balancer finds the service.
    balancer_args = LoadBalancerArgs(
        vpc_id=network.vpc_id,
        subnet_ids=network.entrance_subnet_ids,
        cluster_security_group_id=cluster.security_group_id,
        certificate_arn=domain.certificate_arn if domain else None,
        protected=protected,
    )
    load_balancer = LoadBalancer("entrance", balancer_args, on_aws)
    api_args = ApiArgs(
        prefix=prefix,
        vpc_id=network.vpc_id,
        subnet_ids=network.entrance_subnet_ids,
        load_balancer=load_balancer,
        issuer=people.issuer,
        audience=[people.client_id],
        verify_server_name=domain.internal_name if domain else None,
        own_domain=domain is not None,
    )
    api = Api("api", api_args, on_aws)

    # Nodes, and the rules for what runs on them. Everything in the cluster waits for the way out of it, too.
    in_cluster = ResourceOptions(providers=[cloud, providers.kubernetes_provider(cluster, network.egress)])
    platform_args = PlatformArgs(
        namespace=PROJECT,
        architectures=settings.cluster.architectures,
        spot=settings.cluster.spot,
        burstable=settings.cluster.burstable,
        vcpu_limit=settings.cluster.vcpu_limit,
        certificates=settings.target.authority or rds_roots.roots(region),
    )
    platform = Platform("platform", platform_args, in_cluster)

    # Who is told when something is wrong, and where data lie.
    alarms_args = AlarmsArgs(prefix=prefix, region=region, account=account, email=watched.email)
    alarms = Alarms("alarms", alarms_args, on_aws)
    if watched.traces:
        telemetry_args = TelemetryArgs(
            prefix=prefix,
            region=region,
            account=account,
            cluster=cluster,
            platform=platform,
            log_days=watched.log_days,
            log_key_arn=log_key.arn,
            permissions_boundary_arn=boundary,
        )
        Telemetry("telemetry", telemetry_args, in_cluster)
    databases_args = DatabasesArgs(
        prefix=prefix,
        region=region,
        vpc_id=network.vpc_id,
        subnet_ids=network.database_subnet_ids,
        clients_security_group_id=cluster.security_group_id,
        log_key_arn=log_key.arn,
        sizing=Sizing(
            instance_class=settings.databases.instance_class,
            storage_gib=settings.databases.storage_gib,
            multi_zone=settings.databases.multi_zone,
            backup_days=settings.databases.backup_days,
            protected=protected,
            log_days=watched.log_days,
        ),
        shared_engines=relational_engines(declared) if settings.databases.shared else (),
        alarm_topic_arn=alarms.topic_arn,
        dashboard=watched.dashboards,
    )
    databases = Databases("databases", databases_args, on_aws)

    # The services, each from its declaration.
    images = Images(stack, prefix, ROOT, settings, on_aws)
    environment = Environment(
        name=stack,
        prefix=prefix,
        region=region,
        account=account,
        permissions_boundary_arn=boundary,
        protected=protected,
    )
    foundation = Foundation(
        environment=environment,
        catalogue=declared,
        network=network,
        cluster=cluster,
        platform=platform,
        databases=databases,
        people=people,
        load_balancer=load_balancer,
        api=api,
        telemetry=telemetry.BINDING if watched.traces else NOTHING,
        bootstrap_image=images.reference("database-bootstrap", ROOT / "infra" / "bootstrap"),
        alarm_topic_arn=alarms.topic_arn,
        container_insights=watched.container_logs,
        dashboards=watched.dashboards,
        opts=on_aws,
    )
    capabilities = [capability(foundation) for capability in CAPABILITIES]
    services: dict[str, Service] = {}
    for spec in declared:
        service_args = ServiceArgs(
            spec=spec,
            image=images.reference(spec.name, ROOT / settings.services / spec.name),
            scale=settings.bounded_scale(spec.scale),
            on=foundation,
            capabilities=capabilities,
        )
        services[spec.name] = Service(spec.name, service_args, in_cluster)

    # All routes are there: the gateway opens.
    stage_args = StageArgs(prefix=prefix, api=api, log_days=watched.log_days, log_key_arn=log_key.arn, domain=domain)
    stage = Stage("stage", stage_args, on_aws)
    overview_args = OverviewArgs(
        prefix=prefix,
        region=region,
        api_id=api.id,
        load_balancer_arn_suffix=load_balancer.arn_suffix,
        alarm_topic_arn=alarms.topic_arn,
        nat_gateway_ids=network.nat_gateway_ids,
        cluster_name=cluster.name if watched.container_logs else None,
    )
    overview = Overview("overview", overview_args, on_aws)

    pulumi.export("url", stage.url)
    pulumi.export("issuer", people.issuer)
    pulumi.export("user_pool_id", people.pool_id)
    pulumi.export("client_id", people.client_id)
    pulumi.export("scopes", scopes(declared))
    pulumi.export("callback_url", settings.callback_urls[0])
    pulumi.export("authorize_url", people.authorize_url)
    pulumi.export("token_url", people.token_url)
    pulumi.export("kubeconfig", f"aws eks update-kubeconfig --name {prefix} --region {region}")
    pulumi.export("dashboard", overview.dashboard_url)
    pulumi.export("dashboards", {name: each.dashboard_url for name, each in services.items() if each.dashboard_url})
