"""The AWS of the integration tests as a process, and the `aws` command that the program's kubeconfig calls."""

import json
import shlex
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from tests.authority import Authority
from tests.fixtures import free_port
from tests.integration.harness.aws.data_plane import boundary
from tests.integration.harness.aws.data_plane.settings import DataPlane
from tests.integration.harness.aws.emulator import INVENTORY
from tests.integration.harness.aws.patches.settings import CERTIFICATE_AUTHORITY, ENDPOINT
from tests.integration.harness.cluster.control_plane import ControlPlane
from tests.integration.harness.machine.processes import running

REGION = "eu-central-1"
SERVICES = (
    *("acm", "apigatewayv2", "cloudwatch", "cognitoidp", "dynamodb", "ec2", "ecr", "eks", "elbv2", "iam", "kms"),
    *("logs", "rds", "route53", "secretsmanager", "sns", "sqs", "ssm", "sts"),
)
"""What the AWS provider calls the services that the program uses. All are at one address."""
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass(frozen=True, kw_only=True)
class Aws:
    url: str
    folder: Path
    """Where the emulator keeps what it notes (calls.py)."""
    authority: str | None = None
    """PEM of who signs the certificates of databases and of AWS's names, when there are any."""

    @property
    def target(self) -> dict[str, Any]:
        """The setting `shop:target`."""
        endpoints = dict.fromkeys(SERVICES, self.url)
        return {"endpoints": endpoints} | ({"authority": self.authority} if self.authority else {})

    def client(self, service: str) -> Any:
        """A client of boto3 with the rights of the account's root."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )

    def inventory(self) -> set[str]:
        """Everything that the emulator keeps, as `service/store key`."""
        with urllib.request.urlopen(self.url + INVENTORY, timeout=30) as answer:  # noqa: S310
            kept: dict[str, list[str]] = json.load(answer)
        return {f"{store} {key}" for store, keys in kept.items() for key in keys}


@contextmanager
def emulated_aws(folder: Path, cluster: ControlPlane, authority: Authority | None = None) -> Iterator[Aws]:
    """An empty account; any EKS cluster in it has the endpoint of `cluster`.

    With an authority it has a data plane (data_plane/), whose servers' certificates are the authority's. That needs a
    network of the tests' own (pods/network.py).
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PORT": str(port),
        "STATE_DIR": str(folder),
        "MINISTACK_REGION": REGION,
        ENDPOINT: cluster.endpoint,
        CERTIFICATE_AUTHORITY: cluster.certificate_authority_data,
        **(_data_plane(folder, cluster, authority) if authority is not None else {}),
    }
    command = [sys.executable, "-m", "tests.integration.harness.aws.emulator"]
    with running("the emulator", command, folder / "emulator.log", lambda: _ready(url), environment=environment):
        aws = Aws(url=url, folder=folder, authority=authority.certificate if authority is not None else None)
        if authority is not None:
            boundary.make(aws.client("iam"))
        yield aws


def _data_plane(folder: Path, cluster: ControlPlane, authority: Authority) -> dict[str, str]:
    return DataPlane(
        authority=str(authority.folder),
        folder=str(folder / "data-plane"),
        api_server=cluster.endpoint,
        api_server_authority=cluster.certificate_authority,
        api_server_token=cluster.token,
    ).to_environment() | {**CREDENTIALS, "AWS_SESSION_TOKEN": ""}  # whose they are is the account's root


def put_aws_command(folder: Path, cluster: ControlPlane) -> None:
    """Writes `folder/aws`, which answers `aws ... eks get-token ...` with a token of `cluster`, and nothing else."""
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "spec": {},
        "status": {"token": cluster.token},
    }
    command = folder / "aws"
    command.touch(mode=0o700)
    command.write_text(
        "#!/bin/sh\n"
        'case " $* " in\n'
        f'*" eks get-token "*) echo {shlex.quote(json.dumps(credential))} ;;\n'
        '*) echo "not expected here: aws $*" >&2; exit 2 ;;\n'
        "esac\n"
    )
    command.chmod(0o700)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_ministack/ready", timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False
