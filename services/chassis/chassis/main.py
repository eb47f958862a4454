"""The command line of a service: `python -m orders [serve|migrate|openapi]`, and what else a service has."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar, overload

from chassis.service import Service
from chassis.settings import BadEnvironmentError, Settings, read

GC_THRESHOLD = 20_000
"""Objects. Python's default is 700."""

S = TypeVar("S", bound=Settings)


@overload
def run(bootstrap: Callable[[Settings], Service]) -> None: ...
@overload
def run(
    bootstrap: Callable[[S], Service],
    settings: type[S],
    *,
    commands: Mapping[str, Callable[[S], Coroutine[Any, Any, None]]] = ...,
) -> None: ...
def run(
    bootstrap: Callable[..., Service],
    settings: type[Settings] = Settings,
    *,
    commands: Mapping[str, Callable[..., Coroutine[Any, Any, None]]] = MappingProxyType({}),
) -> None:
    """Runs the command line of the service that `bootstrap` makes of its settings.

    serve (or nothing): serves until SIGTERM or SIGINT. migrate: brings the database to head. openapi: prints the
    OpenAPI document; needs no environment. A bad environment ends the process with status 2.
    commands: what else the service can be told, by name: awaited with the settings, and the process ends.
    """
    command = _arguments(sys.argv[1:], commands).command
    if command == "openapi":
        _print_openapi(bootstrap(settings.placeholder()))
        return
    try:
        values = read(settings)
        if command == "migrate":
            _migrate(bootstrap, values)
        elif command in commands:
            _run_command(commands[command], values)
        else:
            _serve(bootstrap, values)
    except BadEnvironmentError as error:
        print(f"The environment of this process is not right:\n{error}", file=sys.stderr)
        sys.exit(2)


def _arguments(arguments: Sequence[str], more: Iterable[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="One service of the shop.")
    parser.add_argument("command", nargs="?", choices=["serve", "migrate", "openapi", *more], default="serve")
    return parser.parse_args(arguments)


def _print_openapi(service: Service) -> None:
    from chassis.app import create_app

    json.dump(create_app(service).openapi(), sys.stdout, indent=2)
    print()


def _migrate(bootstrap: Callable[[Settings], Service], settings: Settings) -> None:
    package = bootstrap(settings).migrations
    if package is None:
        sys.exit(f"{settings.service_name} has no migrations.")
    from chassis import logs, migrations

    logs.configure(settings)
    asyncio.run(migrations.upgrade(settings, package))


def _run_command(command: Callable[[Settings], Coroutine[Any, Any, None]], settings: Settings) -> None:
    from chassis import logs

    logs.configure(settings)
    asyncio.run(command(settings))


def _serve(bootstrap: Callable[[Settings], Service], settings: Settings) -> None:
    # Each command imports what it needs: `migrate` no server, `serve` no Alembic.
    from chassis import logs, telemetry
    from chassis.app import create_app
    from chassis.server import Server

    # uvicorn raises the signal again when it is done with it, and a signal may come before it listens for any.
    # To be told to stop and to have stopped is a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    logs.configure(settings)
    traces = telemetry.configure(settings)
    try:
        server = Server(create_app(bootstrap(settings)), settings)
        _tune_garbage_collector()
        server.run()
    finally:
        traces.shutdown()
    if server.failed:
        sys.exit(1)


def _tune_garbage_collector() -> None:
    """Excludes permanent objects from garbage collection, and makes it run less often.

    A request makes few objects in cycles: with Python's default the collector would run often and free next to nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)
