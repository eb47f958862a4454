"""EKS."""

import json
import os
from typing import Any
from uuid import uuid4

from ministack.services import ec2, eks

from tests.integration.harness.aws.patches.handlers import Answer, Handler, Record, around, given, succeeded
from tests.integration.harness.aws.patches.settings import CERTIFICATE_AUTHORITY, ENDPOINT


def eks_remembers_auto_mode() -> None:
    """EKS does not remember what makes a cluster an Auto Mode one."""

    def wrap(create: Handler) -> Handler:
        def created(body: Record, creator: str | None = None) -> Answer:
            answer: Answer = create(body, creator)
            if not succeeded(answer):
                return answer
            cluster = eks._clusters[body["name"]]
            cluster["kubernetesNetworkConfig"] |= given(body.get("kubernetesNetworkConfig", {}), "elasticLoadBalancing")
            cluster |= given(body, "computeConfig", "storageConfig", "upgradePolicy", "deletionProtection")
            return eks._describe_cluster(body["name"])  # type: ignore[no-any-return]

        return created

    around(eks, "_create_cluster", wrap)


def eks_names_a_real_api_server() -> None:
    """EKS names an address at which nobody answers, and no certificate authority, where there is no Docker."""

    def wrap(create: Handler) -> Handler:
        def created(body: Record, creator: str | None = None) -> Answer:
            answer: Answer = create(body, creator)
            if not succeeded(answer):
                return answer
            cluster = eks._clusters[body["name"]]
            cluster["endpoint"] = os.environ[ENDPOINT]
            cluster["certificateAuthority"]["data"] = os.environ[CERTIFICATE_AUTHORITY]
            return eks._describe_cluster(body["name"])  # type: ignore[no-any-return]

        return created

    around(eks, "_create_cluster", wrap)


def eks_updates_a_cluster() -> None:
    """EKS has no route for UpdateClusterConfig and UpdateClusterVersion, nor for DescribeUpdate."""

    def wrap(handle: Handler) -> Handler:
        def handled(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
            match path.strip("/").split("/"):
                case ["clusters", name, "update-config" | "updates"] if method == "POST" and name in eks._clusters:
                    return _update_cluster(eks._clusters[name], json.loads(body))
                case ["clusters", name, "updates", _] if method == "GET" and name in eks._clusters:
                    return _update_done()
            return handle(method, path, headers, body, query)  # type: ignore[no-any-return]

        return handled

    around(eks, "_handle_request_sync", wrap)


def _update_cluster(cluster: Record, body: Record) -> Answer:
    for key in ("resourcesVpcConfig", "kubernetesNetworkConfig", "accessConfig", "logging"):
        cluster[key] |= body.get(key, {})
    keys = ("computeConfig", "storageConfig", "upgradePolicy", "deletionProtection", "version")
    cluster |= given(body, *keys)
    return _update_done()


def _update_done() -> Answer:
    update = {"id": str(uuid4()), "status": "Successful", "type": "ConfigUpdate", "params": [], "errors": []}
    return eks._json_resp(200, {"update": update})  # type: ignore[no-any-return]


def eks_makes_the_security_group_of_a_cluster() -> None:
    """EKS names a cluster security group that does not exist in EC2: rules could neither be in it nor refer to it."""

    def wrap_create(create: Handler) -> Handler:
        def created(body: Record, creator: str | None = None) -> Answer:
            answer: Answer = create(body, creator)
            if not succeeded(answer):
                return answer
            network = eks._clusters[body["name"]]["resourcesVpcConfig"]
            network["vpcId"] = ec2._subnets[network["subnetIds"][0]]["VpcId"]
            group = f"eks-cluster-sg-{body['name']}"
            ec2._create_security_group({"GroupName": [group], "VpcId": [network["vpcId"]]})
            network["clusterSecurityGroupId"] = next(
                key for key, each in ec2._security_groups.items() if each["GroupName"] == group
            )
            return eks._describe_cluster(body["name"])  # type: ignore[no-any-return]

        return created

    def wrap_delete(delete: Handler) -> Handler:
        def deleted(name: str) -> Answer:
            group = eks._clusters.get(name, {}).get("resourcesVpcConfig", {}).get("clusterSecurityGroupId")
            answer: Answer = delete(name)
            if succeeded(answer):
                ec2._security_groups.pop(group, None)
            return answer

        return deleted

    around(eks, "_create_cluster", wrap_create)
    around(eks, "_delete_cluster", wrap_delete)


def eks_gives_addons_their_identities() -> None:
    """EKS answers an add-on's identities as they were sent; AWS makes associations and answers with their ARNs."""

    def wrap_create(create: Handler) -> Handler:
        def created(cluster: str, body: Record) -> Answer:
            wanted = body.pop("podIdentityAssociations", None) or []
            answer: Answer = create(cluster, body)
            if succeeded(answer):
                addon = eks._addons[f"{cluster}/{body['addonName']}"]
                addon["podIdentityAssociations"] = [_identity_of_addon(cluster, addon, each) for each in wanted]
                answer = eks._describe_addon(cluster, body["addonName"])
            return answer

        return created

    def wrap_delete(delete: Handler) -> Handler:
        def deleted(cluster: str, name: str) -> Answer:
            for arn in eks._addons.get(f"{cluster}/{name}", {}).get("podIdentityAssociations", []):
                eks._delete_pod_identity_association(cluster, arn.rpartition("/")[2])
            return delete(cluster, name)  # type: ignore[no-any-return]

        return deleted

    around(eks, "_create_addon", wrap_create)
    around(eks, "_delete_addon", wrap_delete)


def _identity_of_addon(cluster: str, addon: Record, wanted: Record) -> str:
    answer = eks._create_pod_identity_association(cluster, {"namespace": addon["addonName"], **wanted})
    return str(json.loads(answer[2])["association"]["associationArn"])


PATCHES = (
    eks_remembers_auto_mode,
    eks_names_a_real_api_server,
    eks_updates_a_cluster,
    eks_makes_the_security_group_of_a_cluster,
    eks_gives_addons_their_identities,
)
