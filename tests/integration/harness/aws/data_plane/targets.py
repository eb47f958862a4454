"""What EKS Auto Mode does with a TargetGroupBinding: the targets of its group are the ready pods of its Service.

Of the real one's it has neither readiness gates nor health checks: a target is healthy at once.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
from ministack.core.responses import request_scope
from ministack.services import alb

from tests.integration.harness.aws.data_plane.kubernetes import ApiServer, Record
from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION

LOOK_SECONDS = 0.3
BINDINGS = "/apis/eks.amazonaws.com/v1/targetgroupbindings"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SERVICES = "/api/v1/services"

Target = dict[str, Any]

log = logging.getLogger(__name__)


async def register(cluster: ApiServer) -> None:
    """Without an end. While the API server is away, everything stays as it was."""
    bound: set[str] = set()
    while True:
        try:
            lists = await asyncio.gather(*map(cluster.items, (BINDINGS, SERVICES, SLICES)))
            wanted = targets(*lists)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("the API server does not answer: %r", error)
        except Exception:
            log.exception("pods cannot be registered")
        else:
            with request_scope(ACCOUNT, REGION):
                for group in bound | wanted.keys():
                    if group in alb._tgs:
                        alb._targets[group] = wanted.get(group, [])
            bound = set(wanted)
        await asyncio.sleep(LOOK_SECONDS)


def targets(
    bindings: Sequence[Record], services: Sequence[Record], slices: Sequence[Record]
) -> dict[str, list[Target]]:
    """ARN of a target group -> what should be registered in it."""
    found: dict[str, list[Target]] = {}
    by_name = {_full_name(each): each for each in services}
    for binding in bindings:
        namespace, wanted = binding["metadata"]["namespace"], binding["spec"]["serviceRef"]
        service = by_name.get((namespace, wanted["name"]))
        ports = service["spec"]["ports"] if service else []
        names = {each.get("name", "") for each in ports if wanted["port"] in (each["port"], each.get("name"))}
        group = found.setdefault(binding["spec"]["targetGroupARN"], [])
        for each in slices:
            of_it = each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == wanted["name"]
            if of_it and each["metadata"]["namespace"] == namespace:
                group += _ready(each, names)
    return found


def _ready(slice_: Record, names: set[str]) -> Iterator[Target]:
    """A pod that is about to end is not ready any more."""
    ports = [port["port"] for port in slice_.get("ports") or [] if port.get("name", "") in names]
    for endpoint in slice_.get("endpoints") or []:
        if endpoint["conditions"].get("ready"):
            yield from ({"Id": address, "Port": port} for address in endpoint["addresses"] for port in ports)


def _full_name(thing: Record) -> tuple[str, str]:
    return thing["metadata"]["namespace"], thing["metadata"]["name"]
