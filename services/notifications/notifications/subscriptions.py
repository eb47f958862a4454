"""Which use case each event of other services starts."""

from collections.abc import Mapping

from chassis.consumer import Handler
from chassis.table import TableTransaction

from notifications import handlers
from notifications.events import READ

HANDLERS: Mapping[str, Handler[TableTransaction]] = dict.fromkeys(READ, handlers.record)
