"""What the OpenTelemetry collector does, as its configuration: plain data.

Written for the collector 0.158 that ADOT 0.50 is made of. [README and config.go of each component, at that version]
"""

from collections.abc import Sequence
from typing import Any

import pulumi

from infra.kubernetes import labels, pods

OTLP_PORT, HEALTH_PORT = 4318, 13133
MEMORY_MIB = 320
SCRAPE_SECONDS = 60
"""CloudWatch keeps a value a minute."""

_METRICS: dict[str, Sequence[Sequence[str]]] = {
    # Each distinct set of values is a metric that CloudWatch charges for: no route, no pod, no bucket.
    "^up$": [["service"]],
    "^http_requests_total$": [["service"], ["service", "status"]],
    "^http_request_duration_seconds$": [["service"]],
    "^circuit_breaker_state$": [["service", "callee"]],
    "^messages_handled_total$": [["service", "outcome"]],
    "^outbox_oldest_age_seconds$": [["service"]],
}
"""Name of a metric -> the sets of its labels that become dimensions."""
_KEPT = (
    "http_requests_total|http_request_duration_seconds_(bucket|count|sum)|circuit_breaker_state"
    "|messages_handled_total|outbox_oldest_age_seconds"
)


def configuration(
    namespace: pulumi.Input[str], region: str, log_group: pulumi.Input[str], metrics_namespace: str
) -> dict[str, Any]:
    """Traces come by OTLP and go to X-Ray; metrics are fetched from the pods and go to CloudWatch, by its log group."""
    # Without local_mode the exporters ask the node's metadata who they are, and no pod may reach that.
    aws = {"region": region, "local_mode": True}
    return {
        "extensions": {"health_check": {"endpoint": f"0.0.0.0:{HEALTH_PORT}"}},
        "receivers": {
            "otlp": {"protocols": {"http": {"endpoint": f"0.0.0.0:{OTLP_PORT}"}}},
            "prometheus": {"config": {"scrape_configs": [_scrape(namespace)]}},
        },
        "processors": {
            # First of every pipeline: it refuses what would end the process.
            "memory_limiter": {
                "check_interval": "1s",
                "limit_mib": MEMORY_MIB * 80 // 100,
                "spike_limit_mib": MEMORY_MIB * 20 // 100,
            },
            "batch": {"timeout": "5s"},
        },
        "exporters": {
            "awsxray": {**aws, "indexed_attributes": ["http.route"]},
            "awsemf": {
                **aws,
                "log_group_name": log_group,
                "log_stream_name": "collector",
                "namespace": metrics_namespace,
                "dimension_rollup_option": "NoDimensionRollup",
                "metric_declarations": [
                    {"metric_name_selectors": [name], "dimensions": [list(each) for each in dimensions]}
                    for name, dimensions in _METRICS.items()
                ],
            },
        },
        "service": {
            "extensions": ["health_check"],
            "telemetry": {"logs": {"encoding": "json"}, "metrics": {"level": "none"}},
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["awsxray"],
                },
                "metrics": {
                    "receivers": ["prometheus"],
                    "processors": ["memory_limiter", "batch"],
                    "exporters": ["awsemf"],
                },
            },
        },
    }


def _scrape(namespace: pulumi.Input[str]) -> dict[str, Any]:
    return {
        "job_name": "services",
        "scrape_interval": f"{SCRAPE_SECONDS}s",
        "scrape_timeout": "10s",
        "kubernetes_sd_configs": [
            {
                "role": "pod",
                "namespaces": {"names": [namespace]},
                "selectors": [{"role": "pod", "label": f"{labels.COMPONENT}={labels.SERVER}"}],
            }
        ],
        "relabel_configs": [
            {
                "source_labels": ["__meta_kubernetes_pod_container_port_name"],
                "regex": pods.PORT_NAME,
                "action": "keep",
            },
            # A pod that is done or not there yet is not down.
            {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Running", "action": "keep"},
            {
                "source_labels": ["__meta_kubernetes_pod_label_app_kubernetes_io_name"],
                "target_label": "service",
            },
        ],
        "metric_relabel_configs": [{"source_labels": ["__name__"], "regex": _KEPT, "action": "keep"}],
    }
