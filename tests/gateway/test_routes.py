from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.gateway.routes import METHODS, RouteTable, segments, shape

# The example of AWS: http-api-develop-routes.html, "Routing API requests".
AWS_EXAMPLE = [
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{proxy+}",
    "ANY /{proxy+}",
]

literals = st.sampled_from(["orders", "users", "me", "a%2Fb", "v1.0", "Orders", "."])
variables = st.sampled_from(["{id}", "{other}"])
paths = st.lists(literals | variables, min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from([parts, [*parts, "{rest+}"]]).map(lambda all_parts: "/" + "/".join(all_parts))
)
keys = st.builds("{} {}".format, st.sampled_from([*sorted(METHODS), "ANY"]), paths)
key_sets = st.lists(keys, max_size=12, unique_by=lambda key: key.partition(" ")[0] + shape(key.partition(" ")[2]))
values = st.text("abcXYZ019-._~%+:@", min_size=1, max_size=6)


def table(keys: Sequence[str]) -> RouteTable[str]:
    return RouteTable((*key.split(" "), key) for key in keys)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("request_line", "route"),
    [
        ("GET /pets/dog/1", "GET /pets/dog/1"),
        ("GET /pets/dog/2", "GET /pets/dog/{id}"),
        ("GET /pets/cat/1", "GET /pets/{proxy+}"),
        ("POST /test/5", "ANY /{proxy+}"),
        ("POST /pets/dog/1", "ANY /{proxy+}"),
    ],
)
def test_the_example_of_aws_holds(request_line: str, route: str) -> None:
    assert table(AWS_EXAMPLE).match(*request_line.split(" ")) == route


@pytest.mark.parametrize(
    ("better", "worse", "request_line"),
    [
        ("GET /orders/new", "GET /orders/{id}", "GET /orders/new"),
        ("GET /orders/{id}", "GET /orders/{rest+}", "GET /orders/new"),
        ("GET /orders", "ANY /orders", "GET /orders"),
        ("ANY /orders/new", "GET /orders/{id}", "GET /orders/new"),
        ("GET /{a}/{b}/c", "GET /a/b/{rest+}", "GET /a/b/c"),
        ("GET /a/{x}", "GET /{x}/b", "GET /a/b"),
        ("GET /a/b/{rest+}", "GET /a/{rest+}", "GET /a/b/c"),
    ],
)
def test_the_more_specific_route_wins_in_whatever_order_they_come(better: str, worse: str, request_line: str) -> None:
    for order in ([better, worse], [worse, better]):
        assert table(order).match(*request_line.split(" ")) == better


@pytest.mark.parametrize(
    ("route", "request_line"),
    [
        ("GET /orders", "GET /orders/"),
        ("GET /orders/", "GET /orders"),
        ("GET /orders", "GET /ORDERS"),
        ("GET /orders", "GET /%6Frders"),
        ("GET /orders", "get /orders"),
        ("GET /orders", "HEAD /orders"),
        ("GET /orders/{id}", "GET /orders/"),
        ("GET /orders/{id}", "GET /orders/1/2"),
        ("GET /orders/{id}", "GET /orders/1/"),
        ("GET /orders/{rest+}", "GET /orders/"),
        ("GET /orders/{rest+}", "GET /orders"),
        ("GET /v1.0", "GET /v1x0"),
        ("ANY /orders", "TRACE /orders"),
        ("ANY /orders", "CONNECT /orders"),
        ("GET /orders", "GET http://edge/orders"),
    ],
)
def test_what_is_not_the_same_does_not_match(route: str, request_line: str) -> None:
    assert table([route]).match(*request_line.split(" ")) is None


@settings(max_examples=min(50, settings().max_examples))
@given(
    key_sets.flatmap(lambda keys: st.tuples(st.just(keys), st.permutations(keys))),
    st.sampled_from(sorted(METHODS)),
    st.lists(literals | values, max_size=5),
)
def test_the_order_of_the_routes_never_matters(
    orders: tuple[list[str], list[str]], method: str, parts: list[str]
) -> None:
    path = "/" + "/".join(parts)

    assert table(orders[0]).match(method, path) == table(orders[1]).match(method, path)


@given(keys, st.lists(values, min_size=4, max_size=4))
def test_a_route_matches_its_own_path_with_any_values_for_its_variables(key: str, given_values: list[str]) -> None:
    method, path = key.split(" ")
    filled = "/".join(
        value if part.startswith("{") else part
        for part, value in zip(path.split("/"), ["", *given_values, "x"], strict=False)
    )

    assert table([key]).match("GET" if method == "ANY" else method, filled) == key


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("orders", "must begin with a slash"),
        ("", "must begin with a slash"),
        ("/orders/{id", "neither a literal"),
        ("/orders/x{id}", "neither a literal"),
        ("/orders/{}", "neither a literal"),
        ("/orders?x=1", "neither a literal"),
        ("/or ders", "neither a literal"),
        ("/{all+}/orders", "not at its end"),
    ],
)
def test_a_path_that_is_none_is_refused(path: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        segments(path)
