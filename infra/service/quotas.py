"""What AWS allows of the things that grow with the catalogue, checked before anything is touched.

Limits as of 2025, for an account that has asked for nothing:
- HTTP APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
- load balancers: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
- user pools: https://docs.aws.amazon.com/cognito/latest/developerguide/quotas.html, and for the scopes of an
  application `AllowedOAuthScopes` of CreateUserPoolClient: 50, one of which is `openid`
- databases: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html

A hundred services fit, with three routes each and 49 scopes altogether, once AWS has granted more resource servers and
database instances (or the services share some). The hundred-and-first service with routes takes a second load balancer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from infra.declaration.problems import Problem
from infra.service.catalogue import Catalogue, ServiceSpec

SCOPES_PER_SERVICE = 100
"""Of a resource server. It cannot be raised; nor can the ten scopes of a route, which its declaration knows."""


@dataclass(frozen=True)
class Quota:
    """`limit` things of one kind; `ceiling` is what AWS raises it to when asked: the limit itself where it does not."""

    what: str
    limit: int
    ceiling: int | None
    """None: as many as AWS can be talked into."""


QUOTAS: Mapping[str, Quota] = {
    "routes": Quota("routes of an HTTP API", 300, None),
    "integrations": Quota("integrations of an HTTP API (one per service with routes)", 300, 300),
    "target_groups": Quota("target groups of a load balancer (one per service with routes)", 100, 100),
    "listener_rules": Quota("rules of a load balancer (one per service with routes)", 100, None),
    "targets": Quota("targets of a load balancer (`scale.max` of services with routes)", 1_000, None),
    "resource_servers": Quota("resource servers of a user pool (one per service with scopes)", 25, 300),
    "scopes": Quota("scopes of an application, besides `openid`", 49, 49),
    "database_instances": Quota("database instances of an account in a region", 40, None),
}


def over_quota(
    catalogue: Catalogue, raised: Mapping[str, int] | None = None, shared_databases: bool = False
) -> list[Problem]:
    """What of this catalogue AWS would refuse, each with the way out.

    Args:
        raised: name of a quota in QUOTAS -> what the account has been granted.
        shared_databases: whether services share one instance for each engine.

    Raises:
        ValueError: `raised` names no quota, or one beyond what AWS grants.
    """
    granted = dict(raised or {})
    _check(granted)
    counted = _count(list(catalogue), shared_databases)
    return [*_of_all(counted, granted), *_of_each(catalogue)]


def _check(granted: Mapping[str, int]) -> None:
    for key, limit in granted.items():
        if key not in QUOTAS:
            raise ValueError(f"`{key}` is no quota; known: {', '.join(QUOTAS)}")
        ceiling = QUOTAS[key].ceiling
        if ceiling is not None and limit > ceiling:
            raise ValueError(f"`{key}` cannot be {limit}: AWS grants at most {ceiling}")


def _count(services: Iterable[ServiceSpec], shared_databases: bool) -> Mapping[str, int]:
    specs = list(services)
    routed = [spec for spec in specs if spec.routes]
    engines = [spec.relational_engine for spec in specs if spec.relational_engine]
    return {
        "routes": sum(len(spec.routes) for spec in routed),
        "integrations": len(routed),
        "target_groups": len(routed),
        "listener_rules": len(routed),
        "targets": sum(spec.scale.max for spec in routed),
        "resource_servers": sum(1 for spec in specs if spec.scopes),
        "scopes": sum(len(spec.scopes) for spec in specs),
        "database_instances": len(set(engines) if shared_databases else engines),
    }


def _of_all(counted: Mapping[str, int], granted: Mapping[str, int]) -> Iterator[Problem]:
    for key, quota in QUOTAS.items():
        limit = granted.get(key, quota.limit)
        if counted[key] > limit:
            yield Problem(
                "services", key, counted[key], f"is above {limit} {quota.what}: {_way_out(quota, counted[key])}"
            )


def _way_out(quota: Quota, wanted: int) -> str:
    if quota.ceiling is not None and wanted > quota.ceiling:
        return "AWS grants no more, so it takes fewer of them or a second environment"
    return "ask AWS for more (Service Quotas), then say in the settings what was granted"


def _of_each(catalogue: Catalogue) -> Iterator[Problem]:
    for spec in catalogue:
        file = f"services/{spec.name}/service.yaml"
        if len(spec.scopes) > SCOPES_PER_SERVICE:
            yield Problem(
                file, "scopes", len(spec.scopes), f"is above {SCOPES_PER_SERVICE} scopes of a service: use fewer"
            )
