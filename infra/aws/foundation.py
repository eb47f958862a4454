"""What all services of an environment stand on, and what a capability is there."""

from dataclasses import dataclass
from typing import Any

from pulumi import Input, ResourceOptions

from infra.aws.api import Api
from infra.aws.cluster import Cluster
from infra.aws.databases import Databases
from infra.aws.environment import Environment
from infra.aws.load_balancer import LoadBalancer
from infra.aws.network import Network
from infra.aws.people import People
from infra.contract import Binding
from infra.declaration.catalogue import Catalogue
from infra.kubernetes.platform import Platform


@dataclass(frozen=True, kw_only=True)
class Foundation:
    environment: Environment
    catalogue: Catalogue[Any]
    network: Network
    cluster: Cluster
    platform: Platform
    databases: Databases
    people: People
    load_balancer: LoadBalancer
    api: Api
    telemetry: Binding
    """What every service has for its traces and metrics; nothing where there is no collector."""
    bootstrap_image: Input[str]
    """By digest: makes the database and the role of a service."""
    alarm_topic_arn: Input[str]
    container_insights: bool
    dashboards: bool
    """Whether each service has one."""
    opts: ResourceOptions
    """With the provider of AWS, for what services share."""


class Capability:
    """What a service can declare. Made once for an environment, with what its services share of it."""

    def __init__(self, on: Foundation) -> None:
        self.on = on

    def bind(self, spec: Any, opts: ResourceOptions) -> Binding:
        """What it gives this service; nothing when the service does not declare it.

        Args:
            spec: the declaration of the service.
            opts: of what is made for the service alone.
        """
        raise NotImplementedError
