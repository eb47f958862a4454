"""Stands in for the collector of traces, whose image no registry here has: it takes what comes, and counts it.

Run as `python collector.py --config=FILE`, with nothing but the standard library. The file has to be the collector's
configuration, as JSON. `GET /received` on the port of OTLP answers service -> how many batches of spans came of it.
"""

import json
import re
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RECEIVED = "/received"
SERVICE = re.compile(rb"service\.name\x12.{1,2}\n.([a-z0-9-]+)", re.DOTALL)
"""In a protobuf message: the key of the resource's attribute, then its value, each with its length before it."""

received: Counter[str] = Counter()
lock = threading.Lock()


class Otlp(BaseHTTPRequestHandler):
    """OTLP by HTTP and protobuf: an empty answer says that everything was taken."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with lock:
            received.update(name.decode() for name in SERVICE.findall(body))
        self._answer(b"", "application/x-protobuf")

    def do_GET(self) -> None:
        with lock:
            content = json.dumps(received).encode()
        self._answer(content, "application/json")

    def _answer(self, content: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def port(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])


def main(argument: str) -> None:
    configuration = json.loads(Path(argument.removeprefix("--config=")).read_text())
    otlp = configuration["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    health = configuration["extensions"]["health_check"]["endpoint"]
    servers = [ThreadingHTTPServer(("0.0.0.0", port(each)), Otlp) for each in (otlp, health)]  # noqa: S104
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
