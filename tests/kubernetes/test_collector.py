"""The collector: what it gathers, where that goes, and how little it may do besides."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from chassis.consumer import HANDLED
from chassis.metrics import CIRCUIT_STATE, HTTP_DURATION, HTTP_REQUESTS
from chassis.outbox import OLDEST_AGE

from infra.kubernetes.collector import Collector, CollectorArgs
from plans.planned import Plan, plan
from tests.kubernetes.parts import pod_of

ARGS = CollectorArgs(
    namespace="shop",
    region="eu-central-1",
    log_group="/shop/dev/metrics",
    metrics_namespace="shop-dev",
    identity=(),
    needs=(),
)
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_count", "_sum"]}


def collected(args: CollectorArgs) -> Plan:
    def program() -> None:
        Collector("collector", args)

    return plan(program)


@pytest.fixture(scope="module")
def recorded() -> Plan:
    return collected(ARGS)


@pytest.fixture(scope="module")
def configuration(recorded: Plan) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(recorded.one(":ConfigMap").inputs["data"]["config.json"])
    return parsed


def test_every_pipeline_limits_memory_first_and_leads_to_aws(configuration: dict[str, Any]) -> None:
    assert configuration["service"]["pipelines"] == {
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
    }
    named = {part: set(configuration[part]) for part in ("receivers", "processors", "exporters", "extensions")}
    assert named == {
        "receivers": {"otlp", "prometheus"},
        "processors": {"memory_limiter", "batch"},
        "exporters": {"awsxray", "awsemf"},
        "extensions": {"health_check"},
    }


def test_the_limiter_acts_before_the_kernel_does(recorded: Plan, configuration: dict[str, Any]) -> None:
    (container,) = pod_of(recorded.one(":Deployment"))["spec"]["containers"]

    assert container["resources"] == {"requests": {"cpu": "50m", "memory": "320Mi"}, "limits": {"memory": "320Mi"}}
    assert configuration["processors"]["memory_limiter"] == {
        "check_interval": "1s",
        "limit_mib": 256,
        "spike_limit_mib": 64,
    }
    assert container["env"] == [
        {"name": "AWS_REGION", "value": "eu-central-1"},
        {"name": "GOMEMLIMIT", "value": "256MiB"},
    ]


def test_exporters_never_ask_the_node_who_they_are(configuration: dict[str, Any]) -> None:
    for exporter in configuration["exporters"].values():
        assert (exporter["region"], exporter["local_mode"]) == ("eu-central-1", True)


def test_metrics_go_to_the_named_log_group_and_namespace_with_few_dimensions(configuration: dict[str, Any]) -> None:
    exporter = configuration["exporters"]["awsemf"]
    dimensions = {
        label for each in exporter["metric_declarations"] for chosen in each["dimensions"] for label in chosen
    }

    assert exporter["log_group_name"] == "/shop/dev/metrics"
    assert exporter["namespace"] == "shop-dev"
    assert exporter["dimension_rollup_option"] == "NoDimensionRollup"
    assert dimensions == {"service", "status", "callee", "outcome"}


def test_only_running_servers_of_the_namespace_are_asked_for_metrics(configuration: dict[str, Any]) -> None:
    (scrape,) = configuration["receivers"]["prometheus"]["config"]["scrape_configs"]
    keeps = [(each["source_labels"], each["regex"]) for each in scrape["relabel_configs"] if "regex" in each]

    assert scrape["kubernetes_sd_configs"] == [
        {
            "role": "pod",
            "namespaces": {"names": ["shop"]},
            "selectors": [{"role": "pod", "label": "app.kubernetes.io/component=server"}],
        }
    ]
    assert keeps == [
        (["__meta_kubernetes_pod_container_port_name"], "http"),
        (["__meta_kubernetes_pod_phase"], "Running"),
    ]


def test_what_a_service_measures_is_kept_and_what_is_kept_is_exported(configuration: dict[str, Any]) -> None:
    """By the names that a service's own code gives: a renamed metric would be lost in silence."""
    measured = {
        f"{family.name}{suffix}": set(metric._labelnames)
        for metric in (HTTP_REQUESTS, HTTP_DURATION, CIRCUIT_STATE, HANDLED, OLDEST_AGE)
        for family in metric.describe()
        for suffix in SUFFIXES[family.type]
    }
    (scrape,) = configuration["receivers"]["prometheus"]["config"]["scrape_configs"]
    (kept,) = (each["regex"] for each in scrape["metric_relabel_configs"])
    for declaration in configuration["exporters"]["awsemf"]["metric_declarations"]:
        (name,) = declaration["metric_name_selectors"]
        if name == "^up$":  # made by the collector itself
            continue
        of_it = {each for each in measured if re.search(name, re.sub(r"_(bucket|count|sum)$", "", each))}
        assert of_it, f"no service has a metric {name}"
        assert all(re.fullmatch(kept, each) for each in of_it)
        wanted = {label for chosen in declaration["dimensions"] for label in chosen} - {"service"}
        assert all(wanted <= measured[each] for each in of_it)


def test_a_changed_configuration_restarts_it(recorded: Plan) -> None:
    def checksum(plan_: Plan) -> str:
        value: str = pod_of(plan_.one(":Deployment"))["metadata"]["annotations"]["checksum/configuration"]
        return value

    assert re.fullmatch(r"[0-9a-f]{64}", checksum(recorded))
    assert checksum(collected(ARGS)) == checksum(recorded)
    assert checksum(collected(replace(ARGS, log_group="/other"))) != checksum(recorded)
