"""`python -m infra.bootstrap`: see the package."""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.bootstrap import mysql, postgres
from infra.bootstrap.settings import BadEnvironmentError, BadSecretError, Settings, read, read_master
from infra.bootstrap.waiting import until_it_works

AWS_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
# A policy or an association of Pod Identity that was made just now takes its time.
AWS_ERRORS = (BotoCoreError, ClientError)

Say = Callable[[str], None]


def bootstrap(settings: Settings, say: Say) -> None:
    """Raises what stood in the way, when the deadline has passed or at once where waiting is of no use."""
    engine: Any = postgres if settings.engine == "postgres" else mysql

    def connect() -> Any:
        client = boto3.client("secretsmanager", region_name=settings.region, config=AWS_CONFIG)
        return engine.connect(settings, read_master(client, settings.master_secret_arn))

    errors = (*engine.CONNECTING, *AWS_ERRORS)
    with closing(until_it_works(connect, errors, settings.deadline_seconds, say)) as connection:
        done = engine.provision(connection, settings.database, settings.user)
    for line in done or [f"{settings.database} of {settings.user} is there: nothing to do"]:
        say(line)


def main(environment: Mapping[str, str]) -> int:
    """The status of the process."""
    try:
        bootstrap(read(environment), lambda line: print(line, flush=True))
    except BadEnvironmentError as error:
        print(f"The environment of this process is not right:\n{error}", file=sys.stderr)
        return 2
    except (BadSecretError, postgres.Refused, *postgres.ERRORS, *mysql.ERRORS, *AWS_ERRORS) as error:
        print(f"{type(error).__name__}: {str(error).strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
