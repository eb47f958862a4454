"""An environment on AWS: the parts of the system, in the order in which a request meets them."""

from collections.abc import Mapping
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
from infra.declaration.declaration import Purpose
from infra.kubernetes.platform import Platform, PlatformArgs
from infra.service import catalogue
from infra.service.aws import CAPABILITIES, Service, ServiceArgs
from infra.service.catalogue import Catalogue
from infra.service.connections import over_connections
from infra.service.quotas import over_quota
from stacks import providers
from stacks.aws_settings import AwsSettings
from stacks.images import Images
from stacks.settings import PROJECT

ROOT = Path(__file__).parent.parent


def deploy(stack: str, settings: AwsSettings, code: Purpose | None = None) -> None:
    """`code`: first look whether what the services are made of is there."""
    declared = _declared(settings, code)
    environment = environment_of(stack, settings)
    cloud = providers.aws_provider(stack, settings)
    on_aws = ResourceOptions(providers=[cloud])

    # Who may come in, and by which door.
    people = _people(environment, settings, declared, on_aws)
    domain = _domain(settings, on_aws)

    # Where everything stands.
    log_key = LogKey("logs", LogKeyArgs(environment=environment), on_aws)
    zones = providers.zones(stack, settings, cloud)
    network = _network(environment, settings, zones, log_key, on_aws)
    log_groups = providers.existing_log_groups(environment.prefix, cloud)
    cluster = _cluster(environment, settings, network, log_groups, on_aws)

    # The gateway checks tokens, scopes and throttles; the load balancer finds the service.
    load_balancer = _load_balancer(environment, network, cluster, domain, on_aws)
    api = _api(environment, network, load_balancer, people, domain, on_aws)

    # Nodes, and the rules for what runs on them. Everything in the cluster waits for the way out of it, too.
    in_cluster = ResourceOptions(providers=[cloud, providers.kubernetes_provider(cluster, network.egress)])
    platform = _platform(environment, settings, in_cluster)

    # Who is told when something is wrong, and where data lie.
    watched = settings.observability
    alarms = Alarms("alarms", AlarmsArgs(environment=environment, email=watched.email), on_aws)
    if watched.traces:
        _telemetry(environment, settings, cluster, platform, log_key, in_cluster)
    databases = _databases(environment, settings, declared, network, cluster, log_key, alarms, on_aws)

    # The services, each from its declaration.
    images = Images(environment, ROOT, settings.images, on_aws)
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
    services = _services(foundation, settings, images, in_cluster)

    # All routes are there: the gateway opens.
    stage = _stage(environment, settings, api, log_key, domain, on_aws)
    overview = _overview(foundation, on_aws)
    _export(settings, foundation, stage, overview, services)


def _declared(settings: AwsSettings, code: Purpose | None) -> Catalogue:
    """Raises CatalogueError, also for what AWS, or a database, would refuse later."""
    declared = catalogue.load(ROOT / settings.services, code)
    problems = over_quota(declared, settings.quotas, settings.databases.shared)
    problems += over_connections(
        declared, settings.databases.instance_class, settings.databases.shared, settings.bounded_scale
    )
    if problems:
        raise catalogue.CatalogueError(problems)
    return declared


def environment_of(stack: str, settings: AwsSettings) -> Environment:
    prefix = f"{PROJECT}-{stack}"
    boundary = f"arn:aws:iam::{settings.account}:policy/{prefix}-boundary" if settings.bounded else None
    return Environment(
        name=stack,
        prefix=prefix,
        region=settings.region,
        account=settings.account,
        permissions_boundary_arn=boundary,
        protected=settings.protected,
    )


def _people(environment: Environment, settings: AwsSettings, declared: Catalogue, opts: ResourceOptions) -> People:
    args = PeopleArgs(
        environment=environment,
        scopes={spec.name: spec.scopes for spec in declared},
        callback_urls=settings.callback_urls,
    )
    return People("people", args, opts)


def _domain(settings: AwsSettings, opts: ResourceOptions) -> Domain | None:
    named = settings.domain
    return Domain("domain", DomainArgs(domain=named.name, zone_id=named.zone_id), opts) if named else None


def _network(
    environment: Environment, settings: AwsSettings, zones: list[str], log_key: LogKey, opts: ResourceOptions
) -> Network:
    args = NetworkArgs(
        environment=environment,
        cidr=settings.network.cidr,
        zones=zones,
        nat_per_zone=settings.network.nat_per_zone,
        flow_log_days=settings.network.flow_log_days,
        log_key_arn=log_key.arn,
    )
    return Network("network", args, opts)


def _cluster(
    environment: Environment,
    settings: AwsSettings,
    network: Network,
    log_groups: frozenset[str],
    opts: ResourceOptions,
) -> Cluster:
    deploys = f"arn:aws:iam::{environment.account}:role/{environment.prefix}-deploy"
    args = ClusterArgs(
        environment=environment,
        version=settings.cluster.version,
        subnet_ids=network.private_subnet_ids,
        egress=network.egress,
        admins=[deploys, *settings.cluster.admins],
        viewers=settings.cluster.viewers,
        public_access_cidrs=settings.cluster.reached_from,
        log_days=settings.cluster.log_days,
        container_logs=settings.observability.container_logs,
        existing_log_groups=log_groups,
    )
    return Cluster("cluster", args, opts)


def _load_balancer(
    environment: Environment, network: Network, cluster: Cluster, domain: Domain | None, opts: ResourceOptions
) -> LoadBalancer:
    args = LoadBalancerArgs(
        environment=environment,
        vpc_id=network.vpc_id,
        subnet_ids=network.entrance_subnet_ids,
        cluster_security_group_id=cluster.security_group_id,
        certificate_arn=domain.certificate_arn if domain else None,
    )
    return LoadBalancer("entrance", args, opts)


def _api(
    environment: Environment,
    network: Network,
    load_balancer: LoadBalancer,
    people: People,
    domain: Domain | None,
    opts: ResourceOptions,
) -> Api:
    args = ApiArgs(
        environment=environment,
        vpc_id=network.vpc_id,
        subnet_ids=network.entrance_subnet_ids,
        load_balancer=load_balancer,
        issuer=people.issuer,
        audience=[people.client_id],
        verify_server_name=domain.internal_name if domain else None,
        own_domain=domain is not None,
    )
    return Api("api", args, opts)


def _platform(environment: Environment, settings: AwsSettings, opts: ResourceOptions) -> Platform:
    args = PlatformArgs(
        namespace=PROJECT,
        architectures=settings.cluster.architectures,
        spot=settings.cluster.spot,
        burstable=settings.cluster.burstable,
        vcpu_limit=settings.cluster.vcpu_limit,
        certificates=settings.target.authority or rds_roots.roots(environment.region),
    )
    return Platform("platform", args, opts)


def _telemetry(
    environment: Environment,
    settings: AwsSettings,
    cluster: Cluster,
    platform: Platform,
    log_key: LogKey,
    opts: ResourceOptions,
) -> Telemetry:
    args = TelemetryArgs(
        environment=environment,
        cluster=cluster,
        platform=platform,
        log_days=settings.observability.log_days,
        log_key_arn=log_key.arn,
    )
    return Telemetry("telemetry", args, opts)


def _databases(
    environment: Environment,
    settings: AwsSettings,
    declared: Catalogue,
    network: Network,
    cluster: Cluster,
    log_key: LogKey,
    alarms: Alarms,
    opts: ResourceOptions,
) -> Databases:
    args = DatabasesArgs(
        environment=environment,
        vpc_id=network.vpc_id,
        subnet_ids=network.database_subnet_ids,
        clients_security_group_id=cluster.security_group_id,
        log_key_arn=log_key.arn,
        sizing=Sizing(
            instance_class=settings.databases.instance_class,
            storage_gib=settings.databases.storage_gib,
            multi_zone=settings.databases.multi_zone,
            backup_days=settings.databases.backup_days,
            log_days=settings.observability.log_days,
        ),
        shared_engines=relational_engines(declared) if settings.databases.shared else (),
        alarm_topic_arn=alarms.topic_arn,
        dashboard=settings.observability.dashboards,
    )
    return Databases("databases", args, opts)


def _services(on: Foundation, settings: AwsSettings, images: Images, opts: ResourceOptions) -> dict[str, Service]:
    capabilities = [capability(on) for capability in CAPABILITIES]
    services: dict[str, Service] = {}
    for spec in on.catalogue:
        args = ServiceArgs(
            spec=spec,
            image=images.reference(spec.name, ROOT / settings.services / spec.name),
            scale=settings.bounded_scale(spec.scale),
            on=on,
            capabilities=capabilities,
        )
        services[spec.name] = Service(spec.name, args, opts)
    return services


def _stage(
    environment: Environment,
    settings: AwsSettings,
    api: Api,
    log_key: LogKey,
    domain: Domain | None,
    opts: ResourceOptions,
) -> Stage:
    args = StageArgs(
        environment=environment,
        api=api,
        log_days=settings.observability.log_days,
        log_key_arn=log_key.arn,
        domain=domain,
    )
    return Stage("stage", args, opts)


def _overview(on: Foundation, opts: ResourceOptions) -> Overview:
    args = OverviewArgs(
        environment=on.environment,
        api_id=on.api.id,
        load_balancer_arn_suffix=on.load_balancer.arn_suffix,
        alarm_topic_arn=on.alarm_topic_arn,
        nat_gateway_ids=on.network.nat_gateway_ids,
        cluster_name=on.cluster.name if on.container_insights else None,
    )
    return Overview("overview", args, opts)


def _export(
    settings: AwsSettings, on: Foundation, stage: Stage, overview: Overview, services: Mapping[str, Service]
) -> None:
    people, environment = on.people, on.environment
    pulumi.export("url", stage.url)
    pulumi.export("issuer", people.issuer)
    pulumi.export("user_pool_id", people.pool_id)
    pulumi.export("client_id", people.client_id)
    pulumi.export("scopes", scopes(on.catalogue))
    pulumi.export("callback_url", settings.callback_urls[0])
    pulumi.export("authorize_url", people.authorize_url)
    pulumi.export("token_url", people.token_url)
    pulumi.export("kubeconfig", f"aws eks update-kubeconfig --name {environment.prefix} --region {environment.region}")
    pulumi.export("dashboard", overview.dashboard_url)
    pulumi.export("dashboards", {name: each.dashboard_url for name, each in services.items() if each.dashboard_url})
