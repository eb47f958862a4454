"""`publishes`, `subscribes`, `queue`: events from services to services."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from infra.capabilities.database.declaration import declared_engine
from infra.declaration.declaration import Declaration, Model, repeated
from infra.declaration.draft import Draft
from infra.declaration.problems import Problem, instead

EVENT_TYPE = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"
EventType = Annotated[str, StringConstraints(pattern=EVENT_TYPE)]
EVENT_TYPE_REMEDY = "is no event type: `noun.verb` in lower case, as in `order.placed`"


class Queue(Model):
    """How messages of the subscribed events are delivered."""

    max_deliveries: Annotated[int, Field(ge=1, le=100)] = 5
    """After so many a message is a dead letter."""
    visibility_seconds: Annotated[int, Field(ge=1, le=43_200)] = 30


class MessagesDeclaration(Declaration):
    publishes: Annotated[tuple[EventType, ...], Field(strict=False)] = ()
    subscribes: Annotated[tuple[EventType, ...], Field(strict=False)] = ()
    queue: Queue = Queue()

    EXAMPLES: ClassVar[Mapping[str, str]] = {
        "publishes": "order.placed",
        "subscribes": "order.placed",
        "queue": "{max_deliveries: 5, visibility_seconds: 30}",
        "queue.visibility_seconds": "30",
    }
    REMEDIES: ClassVar[Mapping[str, str]] = {"publishes": EVENT_TYPE_REMEDY, "subscribes": EVENT_TYPE_REMEDY}

    @classmethod
    def check(cls, drafts: Sequence[Draft]) -> Iterator[Problem]:
        yield from _kept(drafts)
        yield from repeated(drafts, "publishes", "subscribes")
        yield from _sources(drafts)
        yield from _subscriptions(drafts)


def publishers(services: Iterable[MessagesDeclaration]) -> dict[str, str]:
    """Event type -> the one service that publishes it."""
    return {event: spec.name for spec in services for event in spec.publishes}


def subscriptions(spec: MessagesDeclaration, services: Iterable[MessagesDeclaration]) -> dict[str, list[str]]:
    """Publishing service -> the event types of its topic that `spec` wants."""
    publisher_of = publishers(services)
    wanted: dict[str, list[str]] = {}
    for event in sorted(spec.subscribes):
        wanted.setdefault(publisher_of[event], []).append(event)
    return wanted


def _kept(drafts: Sequence[Draft]) -> Iterator[Problem]:
    """Outbox and inbox are tables of the service's database."""
    for draft in drafts:
        publishes = draft.texts("publishes")
        if draft.field("database") is None and (publishes or draft.texts("subscribes")):
            remedy = "publishes or subscribes without a `database`; outbox and inbox are kept there: declare one"
            yield Problem(draft.file, "", None, remedy)
        if publishes and declared_engine(draft) == "dynamodb":
            remedy = (
                "publishes with a `database` of dynamodb; the outbox needs one that is `postgres` or `mysql`: take one"
            )
            yield Problem(draft.file, "", None, remedy)


def _sources(drafts: Sequence[Draft]) -> Iterator[Problem]:
    first: dict[str, Draft] = {}
    for draft in drafts:
        for place, event in draft.texts("publishes"):
            owner = first.setdefault(event, draft)
            if owner is not draft:
                remedy = f"is published by `{owner.name}` already: an event has one source"
                yield Problem(draft.file, place, event, remedy)


def _subscriptions(drafts: Sequence[Draft]) -> Iterator[Problem]:
    if any(draft.document is None for draft in drafts):
        return  # it may be what a file publishes that could not be read
    published = {event for draft in drafts for _, event in draft.texts("publishes")}
    for draft in drafts:
        for place, event in draft.texts("subscribes"):
            if event not in published:
                remedy = f"is published by no service; {instead(event, sorted(published))}"
                yield Problem(draft.file, place, event, remedy)
