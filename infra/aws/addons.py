"""The add-ons of the cluster, and what is decided about each: its defaults change with its versions.

An add-on without an entry here cannot be made. A value is named only where every version that EKS offers for the
Kubernetes versions in use knows it: AWS refuses a value that is not in the schema of the version it installs
(`aws eks describe-addon-configuration` shows that schema).
"""

from collections.abc import Mapping
from typing import Any

METRICS_SERVER = "metrics-server"
CLOUDWATCH = "amazon-cloudwatch-observability"

ON_SYSTEM_NODES = [{"key": "CriticalAddonsOnly", "operator": "Exists"}]
"""Tolerates the taint of the built-in node pool `system`. EKS says that an add-on is there once its pods run; so they
have a node when there is no other one yet."""

ADDONS: Mapping[str, Mapping[str, Any]] = {
    METRICS_SERVER: {
        # Autoscalers know the use of processors from it. [EKS user guide, community add-ons]
        "tolerations": ON_SYSTEM_NODES,
    },
    CLOUDWATCH: {
        # What it is there for. On by default, and written down so that it stays so.
        "containerLogs": {"enabled": True},
        # The agent and Fluent Bit run on every node, whatever its taints.
        "tolerations": [{"operator": "Exists"}],
        "manager": {
            # One pod, and no version from 3.0.0 on lets it tolerate anything by itself. [release notes of the chart]
            "tolerations": ON_SYSTEM_NODES,
            # True by default from 5.0.0 on: the operator then adds init containers to every workload that a Service
            # selects, when it next changes. The namespace of the services enforces the standard `restricted` and turns
            # their pods away. Traces are the collector's. [CloudWatch user guide, "Opt out of Application Signals"]
            "applicationSignals": {"autoMonitor": {"monitorAllServices": False}},
        },
        # Left as it is, because only versions from 6.0.1 on know `otelContainerInsights`: they send a second set of
        # metrics by OTLP. AWS charged nothing for it when this was written (a preview); look before an upgrade.
    },
}
"""Name of an add-on -> its configuration values. Source of the second one's names: the chart of that name in
github.com/aws-observability/helm-charts."""
