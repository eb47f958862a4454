"""As much of a MySQL server as signing in needs: RDS alone has a plugin that asks for a clear password."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pymysql.constants import CLIENT, COMMAND

from tests.authority import CERTIFICATE, SERVER_CERTIFICATE, SERVER_KEY, issue

OK = b"\x00\x00\x00\x02\x00\x00\x00"
SALT = b"12345678"


@dataclass
class FakeMysql:
    """Takes one client after the other, on loopback, and lets everybody in."""

    listener: socket.socket
    folder: Path
    tls: bool
    logins: list[bytes] = field(default_factory=list)
    """What clients sent to sign in."""
    silent: bool = False
    """Whether it answers no statement any more."""
    _client: socket.socket | None = None

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def ca_file(self) -> str:
        return str(self.folder / CERTIFICATE)

    def serve(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self.listener.accept()
                with suppress(OSError, EOFError), client:
                    self._converse(client)

    def stop(self) -> None:
        for each in (self.listener, self._client):
            if each is not None:
                with suppress(OSError):  # closed already
                    each.shutdown(socket.SHUT_RDWR)

    def _converse(self, client: socket.socket) -> None:
        self._client = client
        _send(client, 0, _greeting(tls=self.tls))
        number, packet = _receive(client)
        if self.tls:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self.folder / SERVER_CERTIFICATE, self.folder / SERVER_KEY)
            client = self._client = context.wrap_socket(client, server_side=True)
            number, packet = _receive(client)
        with client:
            self.logins.append(packet)
            _send(client, number + 1, OK)
            while _receive(client)[1][0] != COMMAND.COM_QUIT:
                if not self.silent:
                    _send(client, 1, OK)


@contextmanager
def fake_mysql(folder: Path, *, tls: bool = True) -> Iterator[FakeMysql]:
    issue(folder)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake = FakeMysql(listener, folder, tls)
        thread = threading.Thread(target=fake.serve)
        thread.start()
        try:
            yield fake
        finally:
            fake.stop()
            thread.join()


def _greeting(*, tls: bool) -> bytes:
    capabilities = CLIENT.CAPABILITIES | CLIENT.CONNECT_WITH_DB | CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA
    if tls:
        capabilities |= CLIENT.SSL
    low, high = capabilities & 0xFFFF, capabilities >> 16
    head = b"\x0a8.4.0\x00" + struct.pack("<I", 1) + SALT + b"\x00"
    return head + struct.pack("<HBHHB", low, 45, 2, high, 21) + bytes(10) + SALT + b"1234\x00caching_sha2_password\x00"


def _send(client: socket.socket, number: int, packet: bytes) -> None:
    client.sendall(struct.pack("<I", len(packet))[:3] + bytes([number]) + packet)


def _receive(client: socket.socket) -> tuple[int, bytes]:
    head = _exactly(client, 4)
    return head[3], _exactly(client, int.from_bytes(head[:3], "little"))


def _exactly(client: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = client.recv(size - len(received))
        if not part:
            raise EOFError
        received += part
    return received
