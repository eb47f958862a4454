"""Versions are digests. Every component labels its pods by `labels.versioned`, so none of them runs a mere tag."""

import pytest

from infra.kubernetes import labels
from infra.kubernetes.collector import IMAGE


def test_an_image_is_told_from_another_by_the_beginning_of_its_digest() -> None:
    assert labels.short_digest(f"registry/shop/orders@sha256:{'0123456789abcdef' * 4}") == "0123456789ab"
    assert labels.short_digest(f"registry/shop/orders:1.2@sha256:{'f' * 64}") == "f" * 12


@pytest.mark.parametrize(
    "image",
    [
        "orders",
        "registry/shop/orders:1.2",
        "registry/shop/orders@sha256:abc",
        f"registry/shop/orders@sha256:{'g' * 64}",
        f"registry/shop/orders@sha256:{'a' * 65}",
        f"registry/shop/orders@sha256:{'a' * 64}\n",
    ],
)
def test_an_image_that_is_not_named_by_its_digest_is_refused(image: str) -> None:
    with pytest.raises(ValueError, match=r"is not named by its digest: give <repository>@sha256:<64 hex digits>"):
        labels.versioned("orders", labels.SERVER, image)


def test_the_collector_has_a_digest_of_its_own() -> None:
    assert len(labels.short_digest(IMAGE)) == 12
