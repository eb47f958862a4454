"""Senders of the tests."""

import asyncio

from notifications.domain import Entry


class Recorder:
    """Keeps what it was given."""

    def __init__(self) -> None:
        self.sent: list[Entry] = []

    async def send(self, entry: Entry) -> None:
        self.sent.append(entry)

    def texts(self) -> list[str]:
        return [entry.text for entry in self.sent]


class Failing(Recorder):
    """Refuses the first so many, with a text that nobody may log."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    async def send(self, entry: Entry) -> None:
        if self._times > 0:
            self._times -= 1
            raise ConnectionRefusedError("ada@example.com is unknown here")
        await super().send(entry)


class Hanging(Recorder):
    """Takes what it is given, and does not come back until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

    async def send(self, entry: Entry) -> None:
        await super().send(entry)
        await self.go_on.wait()
