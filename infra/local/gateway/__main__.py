"""python -m infra.local.gateway --config FILE"""

import argparse
import asyncio
import gc
import logging
import os
import sys
from pathlib import Path

import uvloop
from aiohttp.http_exceptions import HttpProcessingError

from infra.local.gateway import access_log, app
from infra.local.gateway.config import ConfigError, listen, load


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.gateway", description="The gateway of a laptop.")
    parser.add_argument("--config", type=Path, required=True, help="the route table, JSON")
    arguments = parser.parse_args()
    try:
        config, address = load(arguments.config), listen(os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    _log()
    gc.collect()
    gc.freeze()  # what stays for good is not searched again
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(app.serve(config, address))
    return 0


def _log() -> None:
    """The access log goes to stdout, one line a request; everything else goes to stderr."""
    logging.getLogger("aiohttp.server").addFilter(_quotes_no_request)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access_log.logger.addHandler(handler)
    access_log.logger.setLevel(logging.INFO)
    access_log.logger.propagate = False


def _quotes_no_request(record: logging.LogRecord) -> bool:
    """aiohttp logs what it cannot parse, with the line itself: there may be a token in it."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


if __name__ == "__main__":
    sys.exit(main())
