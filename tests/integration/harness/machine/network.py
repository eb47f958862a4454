"""A network of the tests' own, in which everything of them listens, and which is gone with them.

The kernel gives a thread, and whatever that starts, a network that has nothing to do with the machine's. In it the
addresses of this file lie on loopback, so nothing here can be reached from elsewhere, nor reach anything.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NODE = "10.77.0.1"
"""The API server, the kubelet, and what a pod sees as its node."""
AWS = "10.77.0.2"
"""Every name of AWS leads here: HTTPS on port 443."""
REGISTRY = "10.77.0.3"
"""The registry that stands for ECR: HTTP on port 5000."""
POD_IDENTITY = "169.254.170.23"
"""The agent of Pod Identity: HTTP on port 80, as on EKS."""
PODS = "10.244.0.0/24"
CLUSTER_IPS = "10.96.0.0/16"
CLUSTER_DNS = "10.96.0.10"
CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000
"""<linux/sched.h>"""
RESOLVER = Path("/etc/resolv.conf")


def database(number: int) -> str:
    """The address of the server that stands for the RDS instance of this number: from 1 to 254."""
    return f"10.77.1.{number}"


@contextmanager
def private_network() -> Iterator[None]:
    """The calling thread, and every process and thread that it starts meanwhile, is in a network of their own.

    Raises:
        OSError: the kernel does not allow it; root may.
    """
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _call("unshare", CLONE_NEWNET)
        try:
            _ip("link", "set", "lo", "up")
            for address in (NODE, AWS, REGISTRY, POD_IDENTITY, *map(database, range(1, 17))):
                _ip("address", "add", f"{address}/32", "dev", "lo")
            # kube-proxy and the API server look for one when they choose an address.
            _ip("route", "add", "default", "dev", "lo")
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            yield
        finally:
            _call("setns", outside, CLONE_NEWNET)
    finally:
        os.close(outside)


@contextmanager
def names_by(server: str, folder: Path) -> Iterator[None]:
    """The calling thread, and what it starts meanwhile, asks the name server at this address, and no other."""
    file = folder / "resolv.conf"
    file.write_text(f"nameserver {server}\noptions timeout:2 attempts:3\n")
    _call("unshare", CLONE_NEWNS)
    # What is mounted from here on is seen by nobody else.
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "--bind", str(file), str(RESOLVER.resolve())], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(RESOLVER.resolve())], check=True)


def _call(name: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
