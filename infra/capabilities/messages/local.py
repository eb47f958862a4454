"""Messages on the laptop: topics and queues of the emulator, with the settings that they have on AWS."""

import pulumi
from pulumi import ResourceOptions

from infra.capabilities.messages.declaration import MessagesDeclaration, subscriptions
from infra.contract import NOTHING, Binding, combined
from infra.local.foundation import Capability, Foundation
from infra.local.messaging import Queue, Subscription, Topic


class Messages(Capability):
    def __init__(self, on: Foundation) -> None:
        """The topics of all services are there before the first queue subscribes."""
        super().__init__(on)
        up = ResourceOptions(parent=on.platform, depends_on=[on.platform.emulator])
        self._topics = {
            spec.name: Topic(f"{on.prefix}-{spec.name}", on.platform.endpoint, up)
            for spec in on.catalogue
            if spec.publishes
        }

    def bind(self, spec: MessagesDeclaration, parent: pulumi.Resource) -> Binding:
        return combined([self._published(spec), self._subscribed(spec, parent)])

    def _published(self, spec: MessagesDeclaration) -> Binding:
        return Binding(variables={"TOPIC_ARN": self._topics[spec.name].arn}) if spec.publishes else NOTHING

    def _subscribed(self, spec: MessagesDeclaration, parent: pulumi.Resource) -> Binding:
        if not spec.subscribes:
            return NOTHING
        on, declared = self.on, spec.queue
        endpoint, up = on.platform.endpoint, ResourceOptions(parent=parent, depends_on=[on.platform.emulator])
        name = f"{on.prefix}-{spec.name}"
        queue = Queue(name, endpoint, declared.max_deliveries, declared.visibility_seconds, up)
        subscribed = [
            Subscription(f"{name}-from-{publisher}", endpoint, self._topics[publisher], queue, events, up)
            for publisher, events in subscriptions(spec, on.catalogue).items()
        ]
        return Binding(
            variables={"QUEUE_URL": queue.url, "QUEUE_VISIBILITY_SECONDS": str(declared.visibility_seconds)},
            ready=subscribed,
        )
