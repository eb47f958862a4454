"""How every pod of the shop is locked down, so that no component can forget a part of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.contract import Files

USER = 65532
"""`nonroot` of the distroless images, and of ours."""
CERTIFICATES_DIRECTORY = "/etc/rds"
CERTIFICATES_KEY = "ca.pem"
CERTIFICATES_FILE = f"{CERTIFICATES_DIRECTORY}/{CERTIFICATES_KEY}"
"""Where a container finds the roots of RDS, when its pod mounts them."""
PORT, PORT_NAME = 8080, "http"
"""Where the container of a service listens, and its Service: for requests, probes and metrics."""
BALANCER_DRAIN_SECONDS, SERVICE_DRAIN_SECONDS = 30, 10
"""Between the end of a pod's endpoints and SIGTERM: so long a load balancer may still send to it, and kube-proxy. The
controller has to take the pod out of the target group, and the balancer goes on for a while after that.
[aws-load-balancer-controller#1064, #1719, #2106: some 502 with less]"""
RESERVE_SECONDS = 5
"""What a process may take beyond its own time to shut down, before it is killed."""
TEMPORARY_MIB = 64
"""What a container may write to /tmp. More than that evicts the pod, not its neighbours."""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume of a pod and where its one container sees it."""

    volume: k8s.core.v1.VolumeArgs
    path: str
    read_only: bool


def temporary() -> Mount:
    """The only place that a container can write to."""
    empty = k8s.core.v1.EmptyDirVolumeSourceArgs(size_limit=f"{TEMPORARY_MIB}Mi")
    return Mount(volume=k8s.core.v1.VolumeArgs(name="tmp", empty_dir=empty), path="/tmp", read_only=False)  # noqa: S108


def files_of(files: Files) -> Mount:
    """The keys of a ConfigMap as files."""
    source = k8s.core.v1.ConfigMapVolumeSourceArgs(name=files.config_map)
    return Mount(
        volume=k8s.core.v1.VolumeArgs(name=files.volume, config_map=source), path=files.directory, read_only=True
    )


def volumes(mounts: Sequence[Mount]) -> list[k8s.core.v1.VolumeArgs]:
    return [each.volume for each in mounts]


def volume_mounts(mounts: Sequence[Mount]) -> list[k8s.core.v1.VolumeMountArgs]:
    return [
        k8s.core.v1.VolumeMountArgs(name=each.volume.name, mount_path=each.path, read_only=each.read_only)
        for each in mounts
    ]


def pod_security() -> k8s.core.v1.PodSecurityContextArgs:
    """What the Pod Security Standard `restricted` asks of a pod, and a user that no image can choose."""
    return k8s.core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=USER,
        run_as_group=USER,
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security() -> k8s.core.v1.SecurityContextArgs:
    return k8s.core.v1.SecurityContextArgs(
        allow_privilege_escalation=False,
        privileged=False,
        read_only_root_filesystem=True,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
    )


def resources(cpu_millis: int, memory_mib: int) -> k8s.core.v1.ResourceRequirementsArgs:
    """Memory is limited to what is requested, so a node is never short of it: who takes more is ended alone.

    CPU has no limit: a limit throttles a process while the node idles, and start-up is where Python needs the most.
    Requests already divide a busy node fairly.
    """
    return k8s.core.v1.ResourceRequirementsArgs(
        requests={"cpu": f"{cpu_millis}m", "memory": f"{memory_mib}Mi"}, limits={"memory": f"{memory_mib}Mi"}
    )


def environment(variables: Mapping[str, pulumi.Input[str]]) -> list[k8s.core.v1.EnvVarArgs]:
    """Sorted by name: another order would be a difference, and restart every pod."""
    return [k8s.core.v1.EnvVarArgs(name=name, value=variables[name]) for name in sorted(variables)]


def probe(path: str, port: str, period_seconds: int, failures: int) -> k8s.core.v1.ProbeArgs:
    """Asks for `path` every `period_seconds`; so many failures in a row count."""
    return k8s.core.v1.ProbeArgs(
        http_get=k8s.core.v1.HTTPGetActionArgs(path=path, port=port, scheme="HTTP"),
        period_seconds=period_seconds,
        timeout_seconds=2,
        success_threshold=1,
        failure_threshold=failures,
    )


def drain(seconds: int) -> k8s.core.v1.LifecycleArgs | None:
    """The kubelet waits before it ends the container: images of ours have no `sleep`. None for no wait at all."""
    if not seconds:
        return None
    sleep = k8s.core.v1.SleepActionArgs(seconds=seconds)
    return k8s.core.v1.LifecycleArgs(pre_stop=k8s.core.v1.LifecycleHandlerArgs(sleep=sleep))


def grace_seconds(drain_seconds: int, shutdown_seconds: int) -> int:
    """From the wish to end a pod until it is killed. Kubernetes counts the time to drain, too."""
    return drain_seconds + shutdown_seconds + RESERVE_SECONDS
