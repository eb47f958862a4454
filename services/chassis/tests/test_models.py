import pytest
from chassis.models import RequestModel
from pydantic import ValidationError


class SignUp(RequestModel):
    name: str
    pin: int


def test_values_are_not_repeated_where_an_error_may_be_logged() -> None:
    with pytest.raises(ValidationError) as refused:
        SignUp.model_validate({"name": "ada\0", "pin": "hunter2", "password": "hunter3"})

    assert "hunter" not in str(refused.value)
    assert "ada" not in str(refused.value)


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        SignUp(name="ada", pin=1).pin = 2  # type: ignore[misc]
