"""The whole system on one machine: the same catalogue as on AWS, with nothing to install and no account."""

from pathlib import Path

import pulumi

from infra.capabilities.calls.declaration import in_call_order
from infra.capabilities.database.declaration import relational_engines
from infra.capabilities.routes import local as routes
from infra.capabilities.routes.declaration import scopes
from infra.contract import CALLBACK_URL
from infra.declaration.declaration import Purpose
from infra.local.edge import Gateway, GatewayArgs
from infra.local.foundation import Foundation
from infra.local.platform import People, PeopleArgs, Platform, PlatformArgs
from infra.service import catalogue
from infra.service.local import CAPABILITIES, Service, ServiceArgs
from stacks.settings import PROJECT, LocalSettings

ROOT = Path(__file__).parent.parent


def deploy(stack: str, settings: LocalSettings, code: Purpose | None = None) -> None:
    """`code`: first look whether what the services are made of is there."""
    settings = settings.under(ROOT)
    declared = catalogue.load(settings.services, code)
    prefix = f"{PROJECT}-{stack}"

    platform_args = PlatformArgs(directory=settings.directory, engines=relational_engines(declared))
    platform = Platform("platform", platform_args)
    people_args = PeopleArgs(
        prefix=prefix,
        platform=platform,
        scopes={spec.name: spec.scopes for spec in declared},
        callback_url=CALLBACK_URL,
    )
    people = People("people", people_args)

    on = Foundation(catalogue=declared, source=settings.services, prefix=prefix, platform=platform, people=people)
    capabilities = [capability(on) for capability in CAPABILITIES]
    missing: dict[str, str] = {}
    for spec in in_call_order(declared.services):
        service = Service(spec.name, ServiceArgs(spec=spec, on=on, capabilities=capabilities))
        on.addresses[spec.name] = service.url
        if service.missing:
            missing[spec.name] = service.missing

    table = routes.table(declared, on.addresses)
    gateway = Gateway("gateway", GatewayArgs(routes=table, platform=platform, people=people))

    pulumi.export("url", gateway.url)
    pulumi.export("issuer", people.issuer)
    pulumi.export("user_pool_id", people.pool_id)
    pulumi.export("client_id", people.client_id)
    pulumi.export("scopes", scopes(declared))
    pulumi.export("callback_url", CALLBACK_URL)
    pulumi.export("authorize_url", pulumi.Output.concat(platform.endpoint, "/oauth2/authorize"))
    pulumi.export("token_url", pulumi.Output.concat(platform.endpoint, "/oauth2/token"))
    pulumi.export("aws_endpoint", platform.endpoint)
    pulumi.export("services", on.addresses)
    pulumi.export("missing", missing)
    pulumi.export("databases", {engine: server.port for engine, server in platform.servers.items()})
    pulumi.export("logs", str(settings.directory / "run" / "logs"))
    pulumi.export("data", str(settings.directory / "data"))
