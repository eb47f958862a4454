"""What this service must be told before it can be built."""

from typing import Any

import pytest
from chassis.settings import BadEnvironmentError
from users.bootstrap import UsersSettings, service


@pytest.mark.parametrize(
    ("wrong", "variable"),
    [
        ({"topic_arn": None}, "TOPIC_ARN"),
        ({"token_audience": frozenset()}, "TOKEN_AUDIENCE"),
        ({"token_audience": frozenset({"one", "two"})}, "TOKEN_AUDIENCE"),
    ],
)
def test_a_wrong_environment_is_named(settings: UsersSettings, wrong: dict[str, Any], variable: str) -> None:
    with pytest.raises(BadEnvironmentError, match=variable):
        service(settings.model_copy(update=wrong))


def test_events_are_published_and_connections_closed_while_it_is_served(settings: UsersSettings) -> None:
    assert [worker.name for worker in service(settings).workers] == ["relay", "identities"]
