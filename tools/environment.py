"""Prints the environment in which a plain `pulumi` works on this checkout: eval "$(make -s env)".

With the name of a stack on AWS: the CLI and the Python of this checkout only.
"""

import shlex
import signal
import sys

from infra.command_line import run
from shop.checkout import CLI, HOME, local_pulumi_environment, pulumi_environment
from tools.pulumi.install import install


def environment(stack: str) -> dict[str, str]:
    """Installs the Pulumi CLI when needed."""
    cli = install(CLI)
    if stack != "local":
        return pulumi_environment(cli)
    (HOME / "state").mkdir(parents=True, exist_ok=True)
    return local_pulumi_environment(cli)


def main(stack: str = "local") -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):  # to stop a build and clean up as on Ctrl-C
        signal.signal(number, signal.default_int_handler)
    for name, value in environment(stack).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    run("environment", lambda: main(*sys.argv[1:]))
