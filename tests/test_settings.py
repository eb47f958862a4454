"""The settings of a stack: what is refused, and how it is said."""

from pathlib import Path

import pytest

from stacks.settings import LocalSettings, SettingsError, local_settings


def test_without_settings_the_defaults_hold() -> None:
    assert local_settings("local", {}) == LocalSettings(services=Path("services"), directory=Path(".shop/local"))


def test_paths_are_relative_to_the_checkout_unless_absolute() -> None:
    settings = local_settings("local", {"directory": "/elsewhere"}).under(Path("/checkout"))

    assert settings == LocalSettings(services=Path("/checkout/services"), directory=Path("/elsewhere"))


def test_an_unknown_key_is_refused_with_file_key_and_the_one_that_was_meant() -> None:
    with pytest.raises(SettingsError) as refused:
        local_settings("local", {"servces": "x", "colour": "red"})

    assert str(refused.value).splitlines() == [
        "The settings are wrong; nothing was touched.",
        "  Pulumi.local.yaml: shop:servces: `servces` is no key here; did you mean `services`?",
        "  Pulumi.local.yaml: shop:colour: `colour` is no key here; known: directory, services",
    ]
