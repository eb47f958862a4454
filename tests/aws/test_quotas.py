"""A catalogue that AWS would refuse half-way is refused before the first resource."""

import pytest

from infra.capabilities.database.declaration import Database
from infra.capabilities.processes.declaration import Scale
from infra.capabilities.routes.declaration import Route
from infra.service.catalogue import Catalogue, ServiceSpec
from infra.service.quotas import QUOTAS, over_quota


def service(
    number: int, routes: int = 0, scopes: int = 0, database: Database | None = None, scale: Scale | None = None
) -> ServiceSpec:
    name = f"service-{number}"
    return ServiceSpec(
        name=name,
        summary="one of many",
        language="go",
        routes=tuple(Route(method="GET", path=f"/{name}/{each}", public=True) for each in range(routes)),
        scopes={f"scope-{each}": "Do it" for each in range(scopes)},
        database=database,
        scale=scale or Scale(),
    )


def catalogue(*specs: ServiceSpec) -> Catalogue:
    return Catalogue({spec.name: spec for spec in specs})


def refused(declared: Catalogue, raised: dict[str, int] | None = None, shared_databases: bool = False) -> set[str]:
    return {problem.field for problem in over_quota(declared, raised, shared_databases)}


def test_a_hundred_services_of_three_routes_fit() -> None:
    hundred = catalogue(*(service(number, routes=3, scale=Scale(max=10)) for number in range(100)))

    assert over_quota(hundred) == []


@pytest.mark.parametrize(
    ("fits", "does_not", "quota"),
    [
        (catalogue(service(1, routes=300)), catalogue(service(1, routes=301)), {"routes"}),
        (
            catalogue(*(service(each, routes=1) for each in range(100))),
            catalogue(*(service(each, routes=1) for each in range(101))),
            {"target_groups", "listener_rules"},
        ),
        (
            catalogue(*(service(each, routes=1, scale=Scale(max=100)) for each in range(10))),
            catalogue(
                *(service(each, routes=1, scale=Scale(max=100)) for each in range(10)),
                service(10, routes=1, scale=Scale(min=1, max=1)),
            ),
            {"targets"},
        ),
        (
            catalogue(*(service(each, scopes=1) for each in range(25))),
            catalogue(*(service(each, scopes=1) for each in range(26))),
            {"resource_servers"},
        ),
        (catalogue(service(1, scopes=49)), catalogue(service(1, scopes=50)), {"scopes"}),
        (
            catalogue(*(service(each, database=Database(engine="postgres")) for each in range(40))),
            catalogue(*(service(each, database=Database(engine="postgres")) for each in range(41))),
            {"database_instances"},
        ),
    ],
)
def test_the_last_that_fits_fits_and_the_next_one_does_not(
    fits: Catalogue, does_not: Catalogue, quota: set[str]
) -> None:
    assert refused(fits) == set()
    assert refused(does_not) == quota


def test_integrations_are_counted_though_target_groups_end_sooner() -> None:
    many = catalogue(*(service(each, routes=1, scale=Scale(min=1, max=1)) for each in range(301)))

    assert refused(many) == {"routes", "integrations", "target_groups", "listener_rules"}


def test_a_service_without_routes_takes_nothing_of_the_edge_and_a_table_is_no_instance() -> None:
    table = Database(engine="dynamodb")

    assert refused(catalogue(*(service(each, database=table, scale=Scale(max=100)) for each in range(500)))) == set()


def test_services_that_share_an_instance_count_once_for_each_engine() -> None:
    engines = ("postgres", "mysql")
    many = catalogue(*(service(each, database=Database(engine=engines[each % 2])) for each in range(100)))  # type: ignore[arg-type]

    assert refused(many) == {"database_instances"}
    assert refused(many, shared_databases=True) == set()
    assert refused(many, {"database_instances": 1}, shared_databases=True) == {"database_instances"}


def test_what_the_account_was_granted_counts() -> None:
    many = catalogue(service(1, routes=301))

    assert refused(many, {"routes": 301}) == set()
    assert refused(many, {"routes": 300}) == {"routes"}


def test_the_message_says_how_many_there_are_what_is_allowed_and_what_to_do() -> None:
    (routes,) = over_quota(catalogue(service(1, routes=301)))
    (scopes,) = over_quota(catalogue(service(1, scopes=50)))

    assert str(routes) == (
        "  services: routes: `301` is above 300 routes of an HTTP API: "
        "ask AWS for more (Service Quotas), then say in the settings what was granted"
    )
    assert str(scopes) == (
        "  services: scopes: `50` is above 49 scopes of an application, besides `openid`: "
        "AWS grants no more, so it takes fewer of them or a second environment"
    )


def test_a_quota_that_does_not_exist_or_that_aws_does_not_grant_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`pods` is no quota; known: routes, "):
        over_quota(catalogue(), {"pods": 1})
    with pytest.raises(ValueError, match=r"`target_groups` cannot be 101: AWS grants at most 100"):
        over_quota(catalogue(), {"target_groups": 101})
    assert over_quota(catalogue(), {"resource_servers": QUOTAS["resource_servers"].ceiling or 0}) == []


def test_a_service_has_at_most_a_hundred_scopes() -> None:
    assert [(each.file, each.field, each.value) for each in over_quota(catalogue(service(1, scopes=101)))] == [
        ("services", "scopes", 101),
        ("services/service-1/service.yaml", "scopes", 101),
    ]
