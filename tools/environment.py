"""Prints the environment in which a plain `pulumi` works on this checkout: eval "$(make -s env)"."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".shop"
# Not a secret: it guards what the local stack keeps on this machine only.
PASSPHRASE = "local"  # noqa: S105


def environment(home: Path = HOME) -> dict[str, str]:
    """Installs the Pulumi CLI when needed. State and everything else that Pulumi keeps lies under `home`."""
    install = [sys.executable, str(ROOT / "tools/pulumi/install.py"), str(HOME / "pulumi")]
    programs = subprocess.run(install, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    (home / "state").mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), programs, os.environ["PATH"]]),
        "PULUMI_BACKEND_URL": f"file://{home / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_HOME": str(home / "pulumi-home"),
        "PULUMI_PYTHON_CMD": sys.executable,
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }


def main() -> None:
    try:
        values = environment()
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)  # install.py has said why
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
