from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError
from users.domain import (
    Email,
    Name,
    Profile,
    ProfileChanged,
    create,
    normalised_email,
    rename,
)
from users.events import UserCreated, UserUpdated

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ADA = Profile(id="sub-1", email="ada@example.com", name="Ada", version=1, created_at=NOW)


def test_a_new_profile_is_the_first_version_and_says_so_to_others() -> None:
    profile, event = create("sub-1", "ada@example.com", "Ada", NOW)

    assert profile == ADA
    assert event == UserCreated(user_id="sub-1", email="ada@example.com", name="Ada")


def test_a_rename_makes_the_next_version_and_leaves_the_rest() -> None:
    renamed, event = rename(ADA, "Ada Lovelace", expected_version=1)

    assert renamed == Profile(id="sub-1", email="ada@example.com", name="Ada Lovelace", version=2, created_at=NOW)
    assert event == UserUpdated(user_id="sub-1", name="Ada Lovelace")


@pytest.mark.parametrize("expected_version", [0, 2])
def test_a_change_meant_for_another_version_is_refused(expected_version: int) -> None:
    with pytest.raises(ProfileChanged):
        rename(ADA, "Ada Lovelace", expected_version)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada@Example.COM", "ada@example.com"),
        ("ada+tea@example.com", "ada+tea@example.com"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_kept_in_one_spelling(given: str, kept: str) -> None:
    assert normalised_email(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@@example.com",
        "ada lovelace@example.com",
        "Ada <ada@example.com>",
        "ada@example.com\n",
        "a\x00da@example.com",
        "ädä@example.com",
        f"{'a' * 65}@example.com",
        f"ada@{'a.' * 60}example.com",
        f"ada@{'ü.' * 25}example.com",
    ],
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Email).validate_python(given)


@pytest.mark.parametrize("name", ["A", "李小龍", "Zoë O'Brien-Łukasz 3rd", "x" * 100])
def test_a_name_may_be_what_people_are_called(name: str) -> None:
    assert TypeAdapter(Name).validate_python(name) == name


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\x00b", "a\nb", "a\x7fb"])
def test_a_name_is_one_visible_line_of_at_most_a_hundred_characters(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(name)
