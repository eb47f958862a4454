"""The AWS of the integration tests as a process, and the `aws` command that the program's kubeconfig calls."""

import json
import shlex
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fixtures import free_port
from tests.integration.control_plane import ControlPlane
from tests.integration.emulator import INVENTORY
from tests.integration.mends import CERTIFICATE_AUTHORITY, ENDPOINT
from tests.integration.processes import running

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

    @property
    def endpoints(self) -> dict[str, str]:
        """For the setting `shop:target`."""
        return dict.fromkeys(SERVICES, self.url)

    def inventory(self) -> set[str]:
        """Everything that the emulator keeps, as `service/store key`."""
        with urllib.request.urlopen(self.url + INVENTORY, timeout=30) as answer:  # noqa: S310
            kept: dict[str, list[str]] = json.load(answer)
        return {f"{store} {key}" for store, keys in kept.items() for key in keys}


@contextmanager
def emulated_aws(folder: Path, cluster: ControlPlane) -> Iterator[Aws]:
    """An empty account; any EKS cluster in it has the endpoint of `cluster`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "PORT": str(port),
        "STATE_DIR": str(folder),
        "MINISTACK_REGION": REGION,
        ENDPOINT: cluster.endpoint,
        CERTIFICATE_AUTHORITY: cluster.certificate_authority_data,
    }
    command = [sys.executable, "-m", "tests.integration.emulator"]
    with running("the emulator", command, folder / "emulator.log", lambda: _ready(url), environment=environment):
        yield Aws(url=url)


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
