"""The checkout that this shop is of: its folders, and the environment in which `pulumi` works on it.

Imports next to nothing: every `make` target begins with it.
"""

import contextlib
import os
import sys
from pathlib import Path


def _root() -> Path:
    """The folder of `Pulumi.yaml`: where this package lies in a checkout; where it is installed, the current folder."""
    beside = Path(__file__).resolve().parent.parent
    return beside if (beside / "Pulumi.yaml").is_file() else Path.cwd()


ROOT = _root()
HOME = ROOT / ".shop"
CLI = HOME / "pulumi"
"""Where `make setup` installs the Pulumi CLI, unless there is a recent one on PATH."""
HOME_VARIABLE = "SHOP_HOME"
# Not a secret: it guards what the local stack keeps on this machine only.
PASSPHRASE = "local"  # noqa: S105


def pulumi_environment(cli: Path = CLI / "bin") -> dict[str, str]:
    """The CLI in the folder `cli`, or else on PATH, and the Python of this process.

    Where the state of a stack on AWS lies and who guards its secrets is the person's: `pulumi login`, or
    PULUMI_BACKEND_URL.
    """
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(cli), os.environ.get("PATH", os.defpath)]),
        "PULUMI_PYTHON_CMD": sys.executable,
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }


def local_pulumi_environment(cli: Path = CLI / "bin") -> dict[str, str]:
    """The laptop's: state and everything else that Pulumi keeps lies in the checkout."""
    return pulumi_environment(cli) | {
        "PULUMI_BACKEND_URL": f"file://{HOME / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_HOME": str(HOME / "pulumi-home"),
    }


def home() -> Path:
    """Where this checkout keeps what is its own: `.shop`, or what SHOP_HOME names."""
    return Path(os.environ.get(HOME_VARIABLE) or HOME)


def cached_outputs(stack: str) -> Path:
    """The file with what Pulumi has last said of a stack."""
    return home() / f"outputs-{stack}.json"


def forget_outputs(stack: str) -> None:
    """Has the next command ask Pulumi: what was known may be wrong."""
    with contextlib.suppress(OSError):  # where nothing can be removed, nothing was written
        cached_outputs(stack).unlink()
