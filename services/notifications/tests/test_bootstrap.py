"""What this service must be told before it can be built."""

import pytest
from chassis.settings import BadEnvironmentError, Settings
from notifications.bootstrap import service


def test_a_missing_queue_is_named(settings: Settings) -> None:
    with pytest.raises(BadEnvironmentError, match="QUEUE_URL"):
        service(settings.model_copy(update={"queue_url": None}))
