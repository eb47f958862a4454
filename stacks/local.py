"""The whole system on one machine: the same catalogue as on AWS, with nothing to install and no account."""

from pathlib import Path

import pulumi

from infra import catalogue
from infra.local.edge import Gateway, GatewayArgs
from infra.local.platform import People, PeopleArgs, Platform, PlatformArgs
from infra.local.service import Service, ServiceArgs, topics
from stacks.settings import PROJECT, LocalSettings

ROOT = Path(__file__).parent.parent
# Where the sign-in page sends a person's browser back to; `make token` reads the code from that redirect.
CALLBACK_URL = "http://127.0.0.1:8250/callback"


def deploy(stack: str, settings: LocalSettings) -> None:
    settings = settings.under(ROOT)
    declared = catalogue.load(settings.services)
    prefix = f"{PROJECT}-{stack}"

    platform = Platform("platform", PlatformArgs(directory=settings.directory, engines=declared.relational_engines))

    people = People(
        "people",
        PeopleArgs(
            prefix=prefix,
            platform=platform,
            scopes={spec.name: spec.scopes for spec in declared},
            callback_url=CALLBACK_URL,
        ),
    )

    published = topics(platform, prefix, list(declared), parent=platform)
    addresses: dict[str, pulumi.Output[str]] = {}
    missing: dict[str, str] = {}
    for spec in declared.in_call_order():
        service = Service(
            spec.name,
            ServiceArgs(
                spec=spec,
                source=settings.services,
                prefix=prefix,
                platform=platform,
                people=people,
                topics=published,
                subscriptions=declared.subscriptions(spec),
                addresses=addresses,
            ),
        )
        addresses[spec.name] = service.url
        if service.missing:
            missing[spec.name] = service.missing

    gateway = Gateway("gateway", GatewayArgs(catalogue=declared, platform=platform, people=people, addresses=addresses))

    pulumi.export("url", gateway.url)
    pulumi.export("issuer", people.issuer)
    pulumi.export("user_pool_id", people.pool_id)
    pulumi.export("client_id", people.client_id)
    pulumi.export("scopes", declared.scopes)
    pulumi.export("callback_url", CALLBACK_URL)
    pulumi.export("authorize_url", pulumi.Output.concat(platform.endpoint, "/oauth2/authorize"))
    pulumi.export("token_url", pulumi.Output.concat(platform.endpoint, "/oauth2/token"))
    pulumi.export("aws_endpoint", platform.endpoint)
    pulumi.export("services", addresses)
    pulumi.export("missing", missing)
    pulumi.export("databases", {engine: server.port for engine, server in platform.servers.items()})
    pulumi.export("logs", str(settings.directory / "run" / "logs"))
    pulumi.export("data", str(settings.directory / "data"))
