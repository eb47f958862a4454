"""The API server, as the emulator's own controllers ask it."""

import ssl
from typing import Any

import aiohttp

from tests.integration.harness.aws.data_plane.settings import DataPlane

Record = dict[str, Any]
SECONDS = 5


class ApiServer:
    """One session for all; made inside of the event loop."""

    def __init__(self, plane: DataPlane) -> None:
        self._session = aiohttp.ClientSession(
            plane.api_server,
            headers={"Authorization": f"Bearer {plane.api_server_token}"},
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=plane.api_server_authority)),
            timeout=aiohttp.ClientTimeout(total=SECONDS),
            raise_for_status=True,
        )

    async def items(self, path: str) -> list[Record]:
        """The objects of a list. Raises: aiohttp.ClientError, TimeoutError."""
        async with self._session.get(path) as answer:
            return list((await answer.json())["items"])

    async def post(self, path: str, body: Record) -> Record:
        """Raises: aiohttp.ClientError, TimeoutError."""
        async with self._session.post(path, json=body) as answer:
            return dict(await answer.json())

    async def close(self) -> None:
        await self._session.close()
