"""The port to a payment provider: what an adapter of a real one has to offer."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from payments.domain import Captured, Charge, Declined, Refunded, Voided


class ProviderUnavailableError(Exception):
    """The provider was not reached, or refused to act now: nothing has happened."""


class OutcomeUnknownError(Exception):
    """The provider was asked and its answer was lost: it may have acted. The same key will tell."""


@dataclass(frozen=True, slots=True)
class Pending:
    """The provider has taken the request and does not know the outcome yet. It may call back; asking again is safe."""


@dataclass(frozen=True, slots=True)
class ProviderCallback:
    """What a provider calls back with. It may come twice, late, or not at all.

    reference: ours, the payment's id.
    """

    reference: UUID
    answer: Captured | Declined


class Provider(Protocol):
    """Each operation may be asked for any number of times under its idempotency key, and is done once.

    `reference` is our name of the payment. All of them raise ProviderUnavailableError or OutcomeUnknownError; what
    takes too long is cancelled, and its outcome is unknown. An amount may be 0, when everything was discounted.
    """

    async def capture(self, key: str, reference: UUID, charge: Charge) -> Captured | Declined | Voided | Pending:
        """Takes the money at once (authorisation and capture in one). Asked again, it tells what has come of it."""

    async def void(self, key: str, reference: UUID) -> Captured | Declined | Voided | Pending:
        """Sees to it that nothing is captured under this reference from now on, even if it was never heard of.

        What was captured before stays so: the answer is then Captured.
        """

    async def refund(self, key: str, provider_reference: str, charge: Charge) -> Refunded | Pending:
        """Gives back all that was captured as `provider_reference`."""

    async def close(self) -> None:
        """Gives up its connections."""
