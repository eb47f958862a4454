"""Kubernetes objects of a stack as files: all of them, stable, and honest about what nobody knows yet."""

from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s
import pytest
import yaml

from plans import manifests
from plans.manifests import FolderError, render, write
from plans.planned import Plan, Planned, plan


def planned(*objects: tuple[str, dict[str, Any]], secrets: frozenset[str] = frozenset()) -> Plan:
    return Plan(
        [
            Planned(f"urn::{number}", kind, f"object-{number}", inputs, secrets=secrets)
            for number, (kind, inputs) in enumerate(objects)
        ]
    )


def config_map(name: str, namespace: str = "shop", **data: str) -> tuple[str, dict[str, Any]]:
    metadata = {"namespace": namespace, "name": name, "labels": {"b": "2", "a": "1"}}
    return "kubernetes:core/v1:ConfigMap", {"data": data, "kind": "ConfigMap", "metadata": metadata, "apiVersion": "v1"}


def test_an_object_is_a_file_named_by_its_kind_and_name_with_its_keys_in_order() -> None:
    files = render(planned(config_map("roots", z="last", a="first")))

    assert files == {
        "configmap-roots.yaml": (
            "apiVersion: v1\n"
            "kind: ConfigMap\n"
            "metadata:\n"
            "  labels:\n"
            "    a: '1'\n"
            "    b: '2'\n"
            "  name: roots\n"
            "  namespace: shop\n"
            "data:\n"
            "  a: first\n"
            "  z: last\n"
        )
    }


def test_only_objects_of_the_cluster_are_written_and_all_of_them() -> None:
    others: list[tuple[str, dict[str, Any]]] = [
        ("aws:ec2/vpc:Vpc", {}),
        ("pulumi:providers:kubernetes", {}),
        ("shop:kubernetes:Workload", {}),
    ]
    files = render(planned(config_map("b"), *others, config_map("a")))

    assert list(files) == ["configmap-a.yaml", "configmap-b.yaml"]


def test_two_objects_of_one_name_are_told_apart_by_their_namespace() -> None:
    files = render(planned(config_map("a", "shop"), config_map("a", "kube-system")))

    assert list(files) == ["configmap-a-kube-system.yaml", "configmap-a-shop.yaml"]


def test_an_object_that_is_declared_twice_is_refused() -> None:
    with pytest.raises(LookupError, match="configmap-a is declared twice"):
        render(planned(config_map("a"), config_map("a")))


def test_texts_of_several_lines_stay_readable_and_the_same() -> None:
    certificate = "-----BEGIN-----\nAAA\n-----END-----\n"
    [text] = render(planned(config_map("roots", pem=certificate))).values()

    assert "  pem: |\n    -----BEGIN-----\n    AAA\n" in text
    assert yaml.safe_load(text)["data"] == {"pem": certificate}


def test_a_secret_is_not_written() -> None:
    inputs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "data": {"key": ["c2VjcmV0"]}}
    [text] = render(planned(("kubernetes:core/v1:Secret", inputs), secrets=frozenset({"data"}))).values()

    assert yaml.safe_load(text)["data"] == {"key": ["${secret}"]}


# ---- what AWS will answer


def program() -> None:
    queue = aws.sqs.Queue("orders-queue", visibility_timeout_seconds=30)
    database = aws.rds.Instance(
        "orders-database", instance_class="db.t4g.micro", identifier="shop-dev-orders", engine="postgres"
    )
    k8s.core.v1.ConfigMap(
        "orders",
        metadata=k8s.meta.v1.ObjectMetaArgs(name="orders"),
        data={
            "QUEUE_URL": queue.url,
            "QUEUE_ID": queue.id,
            "DATABASE_URL": pulumi.Output.format("postgresql://{0}:{1}/orders", database.address, database.port),
            "DATABASE": database.identifier,
            "SECRET": database.master_user_secrets[0].secret_arn,
        },
    )


def test_what_aws_will_answer_is_a_placeholder_that_names_its_resource() -> None:
    [text] = render(plan(program, answer=manifests.answer, call=manifests.call)).values()

    assert yaml.safe_load(text)["data"] == {
        "QUEUE_URL": "${orders-queue.url}",
        "QUEUE_ID": "${orders-queue.id}",
        "DATABASE_URL": "postgresql://${orders-database.address}:5432/orders",
        "DATABASE": "shop-dev-orders",
        "SECRET": "arn:aws:secretsmanager:eu-central-1:123456789012:${orders-database.masterUserSecrets.0.secretArn}",
    }


def test_the_digest_of_an_image_that_is_not_built_is_all_zeros() -> None:
    built = manifests.answer("docker-build:index:Image", "orders", {"tags": ["registry.example/orders:1"]})
    found = manifests.call("docker:index/getRegistryImage:getRegistryImage", {"name": "registry.example/orders:1"})

    assert built["ref"] == "registry.example/orders:1@sha256:" + 64 * "0"
    assert found["sha256Digest"] == "sha256:" + 64 * "0"


def test_the_same_program_gives_the_same_files() -> None:
    assert render(plan(program)) == render(plan(program))


# ---- the folder


def test_the_folder_holds_these_files_and_no_old_ones(tmp_path: Path) -> None:
    write({"a.yaml": "a: 1\n", "b.yaml": "b: 1\n"}, tmp_path / "prod")
    write({"b.yaml": "b: 2\n"}, tmp_path / "prod")

    assert {file.name: file.read_text() for file in (tmp_path / "prod").iterdir()} == {"b.yaml": "b: 2\n"}


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    (folder / "package").mkdir(parents=True)
    (folder / "main.py").touch()
    (folder / "old.yaml").touch()

    with pytest.raises(FolderError, match=r"holds main\.py, package: name an empty folder"):
        write({"a.yaml": ""}, folder)
    assert {each.name for each in folder.iterdir()} == {"main.py", "old.yaml", "package"}
