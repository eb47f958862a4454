"""The gateway of the laptop: the route table of the catalogue before the services."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi import Output, ResourceOptions

from infra.fingerprint import fingerprint
from infra.local.platform import ROOT, People, Platform
from infra.local.processes import Port, Process, ProcessArgs, configuration_file


@dataclass(frozen=True, kw_only=True)
class GatewayArgs:
    routes: Sequence[Mapping[str, Any]]
    """As `infra.local.gateway.config.Route` has them."""
    platform: Platform
    people: People


class Gateway(pulumi.ComponentResource):
    """Checks tokens and scopes, throttles, and passes requests on; on AWS, API Gateway does this."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: GatewayArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:local:Gateway", name, None, opts)
        port = Port("gateway-port", ResourceOptions(parent=self)).number
        self.url = port.apply(lambda number: f"http://127.0.0.1:{number}")
        Process(
            "gateway",
            ProcessArgs(
                name="gateway",
                command=[
                    sys.executable,
                    "-m",
                    "infra.local.gateway",
                    "--config",
                    configuration_file(args.platform.run, "gateway"),
                ],
                directory=str(ROOT),
                environment={"HOST": "127.0.0.1", "PORT": port.apply(str)},
                port=port,
                supervisor=args.platform.run,
                version=fingerprint(Path(__file__).parent / "gateway", ROOT / "uv.lock"),
                ready="/.gateway/ready",
                configuration=self._configuration(args),
            ),
            ResourceOptions(parent=self, depends_on=[args.platform.supervisor]),
        )
        self.register_outputs({"url": self.url})

    def _configuration(self, args: GatewayArgs) -> Output[str]:
        return Output.json_dumps(
            {
                "issuer": args.people.issuer,
                "audience": [args.people.client_id],
                "jwks_url": args.people.jwks_url,
                "routes": list(args.routes),
            }
        )
