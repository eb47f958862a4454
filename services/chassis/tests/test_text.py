"""People's text: what looks the same is stored the same, and nothing is in it that is not seen."""

import re
import unicodedata
from typing import Annotated, Any

import pytest
from chassis.models import RequestModel
from chassis.text import LINE, LINES
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

Name = Annotated[str, StringConstraints(min_length=1, max_length=10), LINE]
Note = Annotated[str, StringConstraints(max_length=10), LINES]
NAME: TypeAdapter[str] = TypeAdapter(Name)
NOTE: TypeAdapter[str] = TypeAdapter(Note)
HIDDEN = {
    "NUL": "\0",
    "an escape": "\x1b",
    "DEL": "\x7f",
    "NEXT LINE": "\x85",
    "a soft hyphen": "\xad",
    "a space of no width": "\u200b",
    "a mark of direction": "\u200f",
    "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
    "an override of direction": "\u202e",
    "an isolate of direction": "\u2066",
    "a byte order mark": "\ufeff",
    "a tag": "\U000e0041",
    "half a character": "\ud800",
}
BLANK = ["", " ", "\u00a0\u3000", "\u200d", "\u3164", "\u2800", "\u0301"]


class Person(RequestModel):
    name: Name | None = None


@pytest.mark.parametrize("kind", [NAME, NOTE], ids=["a line", "lines"])
def test_what_is_not_seen_is_refused_by_its_code_point(kind: TypeAdapter[str]) -> None:
    for case, character in HIDDEN.items():
        with pytest.raises(ValidationError) as refused:
            kind.validate_python(f"a{character}b")

        [error] = refused.value.errors()
        assert error["msg"].endswith(f"such as U+{ord(character):04X}"), case


@pytest.mark.parametrize("text", BLANK, ids=ascii)
def test_a_line_has_something_to_see(text: str) -> None:
    with pytest.raises(ValidationError, match="must contain something that can be seen"):
        NAME.validate_python(text)


@pytest.mark.parametrize("text", ["A", "李小龍", "O'Łuk-Wu 3", "علی‌رضا", "👩‍🚀", "שרה", "¡!", "e\u0323"], ids=ascii)
def test_names_of_all_languages_are_taken(text: str) -> None:
    assert NAME.validate_python(text) == unicodedata.normalize("NFC", text)


def test_what_looks_the_same_is_the_same() -> None:
    assert NAME.validate_python("Zoe\u0308") == "Zo\u00eb" == NAME.validate_python("Zo\u00eb")


def test_a_length_is_that_of_the_normal_form() -> None:
    assert len(NAME.validate_python("e\u0301" * 10)) == 10
    with pytest.raises(ValidationError, match="at most 10 characters"):
        NAME.validate_python("\u0958" * 6)  # each becomes two


@pytest.mark.parametrize("text", ["\n", "\t", "a\nb"], ids=ascii)
def test_lines_may_be_several_and_a_line_is_one(text: str) -> None:
    assert NOTE.validate_python(text) == text
    with pytest.raises(ValidationError, match=r"such as U\+000"):
        NAME.validate_python(text)


def test_lines_may_be_empty() -> None:
    assert NOTE.validate_python("") == ""


@pytest.mark.parametrize("value", [1, None, ["a"], b"a"])
def test_only_text_is_text(value: Any) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(value, strict=True)


def test_a_field_of_a_request_may_be_absent() -> None:
    assert Person.model_validate({}).name is None
    with pytest.raises(ValidationError, match=r"such as U\+202E"):
        Person.model_validate({"name": "\u202eadA"})


@given(st.text(st.characters(max_codepoint=0xFFFF), max_size=10))
def test_what_is_taken_fits_the_schema_that_clients_read(text: str) -> None:
    for kind in (NAME, NOTE):
        try:
            taken = kind.validate_python(text)
        except ValidationError:
            continue
        assert re.fullmatch(kind.json_schema()["pattern"], taken)
        assert kind.validate_python(taken) == taken


def test_the_schema_refuses_what_turns_or_hides_text() -> None:
    turning = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    for kind in (NAME, NOTE):
        pattern = re.compile(kind.json_schema()["pattern"])
        assert [ascii(each) for each in turning + "\0\x85\u200b\u2028\u2029\ufeff" if pattern.match(f"a{each}")] == []
