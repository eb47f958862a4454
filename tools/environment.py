"""Prints the environment in which a plain `pulumi` works on this checkout: eval "$(make -s env)".

With the name of a stack on AWS: the CLI and the Python of this checkout only. Where its state lies and who guards its
secrets is the person's: `pulumi login`, or PULUMI_BACKEND_URL.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from infra.command_line import run

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".shop"
# Not a secret: it guards what the local stack keeps on this machine only.
PASSPHRASE = "local"  # noqa: S105


def programs() -> dict[str, str]:
    """Installs the Pulumi CLI when needed."""
    install = [sys.executable, str(ROOT / "tools/pulumi/install.py"), str(HOME / "pulumi")]
    installed = subprocess.run(install, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), installed, os.environ.get("PATH", os.defpath)]),
        "PULUMI_PYTHON_CMD": sys.executable,
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }


def environment(home: Path = HOME) -> dict[str, str]:
    """That of the laptop: state and everything else that Pulumi keeps lies under `home`."""
    (home / "state").mkdir(parents=True, exist_ok=True)
    return programs() | {
        "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_HOME": str(home / "pulumi-home"),
    }


def main(stack: str = "local") -> None:
    try:
        values = environment() if stack == "local" else programs()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)  # install.py has said why
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    run("environment", lambda: main(*sys.argv[1:]))
