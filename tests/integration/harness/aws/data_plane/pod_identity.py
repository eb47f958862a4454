"""EKS Pod Identity: a pod whose service account has an association gets the credentials of its role, no other pod any.

Two parts, as on EKS. A webhook of the API server gives such pods two variables and a token of theirs; all others are
left as they are. The agent of the node, at 169.254.170.23, takes that token, asks the API server whose it is, takes the
association's role in its name, if the role trusts it to, and answers with the credentials.
"""

import base64
import json
import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import request_scope
from ministack.services import eks, iam, sts

from tests.integration.harness.aws.data_plane.kubernetes import ApiServer, Record
from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION
from tests.integration.harness.machine.network import POD_IDENTITY

PRINCIPAL = "pods.eks.amazonaws.com"
"""Who takes the roles, and for whom the tokens are."""
VOLUME = FILE = "eks-pod-identity-token"
FOLDER = f"/var/run/secrets/{PRINCIPAL}/serviceaccount"
TOKEN_SECONDS = 24 * 3600
SESSION = timedelta(hours=6)
"""As long as EKS's own sessions."""
CREDENTIALS_PATH = "/v1/credentials"
VARIABLES = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{POD_IDENTITY}{CREDENTIALS_PATH}",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{FOLDER}/{FILE}",
}
POD_NAME, POD_UID = "authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/pod-uid"

log = logging.getLogger(__name__)


class Refused(Exception):
    """The status of the answer, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def admitted(review: Record) -> Record:
    """The answer to an AdmissionReview of a new pod."""
    request = review["request"]
    pod, account = request["object"], request["object"]["spec"].get("serviceAccountName", "default")
    response: Record = {"uid": request["uid"], "allowed": True}
    if _association(request["namespace"], account) is not None:
        patch = json.dumps(_patch(pod["spec"])).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def _patch(spec: Record) -> list[Record]:
    source = {"audience": PRINCIPAL, "expirationSeconds": TOKEN_SECONDS, "path": FILE}
    volume = {"name": VOLUME, "projected": {"sources": [{"serviceAccountToken": source}]}}
    changes = [_add("/spec/volumes", spec, "volumes", [volume])]
    for kind in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(kind) or []):
            path = f"/spec/{kind}/{number}"
            env = [{"name": name, "value": value} for name, value in VARIABLES.items()]
            mount = {"name": VOLUME, "mountPath": FOLDER, "readOnly": True}
            changes.append(_add(f"{path}/env", container, "env", env))
            changes.append(_add(f"{path}/volumeMounts", container, "volumeMounts", [mount]))
    return changes


def _add(path: str, thing: Record, key: str, more: list[Record]) -> Record:
    return {"op": "add", "path": path, "value": [*(thing.get(key) or []), *more]}


async def credentials(cluster: ApiServer, token: str) -> Record:
    """What the agent answers with. Raises: Refused; aiohttp.ClientError, TimeoutError without the API server."""
    if not token:
        raise Refused(400, "no token")
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    spec = {"token": token, "audiences": [PRINCIPAL]}
    status = (await cluster.post("/apis/authentication.k8s.io/v1/tokenreviews", {**review, "spec": spec}))["status"]
    user = status.get("user", {})
    kind, _, rest = user.get("username", "").rpartition("serviceaccount:")
    if not status.get("authenticated") or PRINCIPAL not in status.get("audiences", []) or kind != "system:":
        raise Refused(401, "the API server does not know the token, or it is for others")
    namespace, account = rest.split(":")
    if (association := _association(namespace, account)) is None:
        raise Refused(404, f"{namespace}/{account} has no association")
    return _session(association, user.get("extra", {}))


def _association(namespace: str, account: str) -> Record | None:
    with request_scope(ACCOUNT, REGION):
        for each in eks._pod_identity_associations.values():
            if (each["namespace"], each["serviceAccount"]) == (namespace, account):
                return dict(each)
    return None


def _session(association: Record, extra: dict[str, list[str]]) -> Record:
    """Takes the role, with the tags by which its policies may know the pod."""
    cluster, arn = association["clusterName"], association["roleArn"]
    tags = {
        "eks-cluster-arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{cluster}",
        "eks-cluster-name": cluster,
        "kubernetes-namespace": association["namespace"],
        "kubernetes-service-account": association["serviceAccount"],
        "kubernetes-pod-name": extra.get(POD_NAME, [""])[0],
        "kubernetes-pod-uid": extra.get(POD_UID, [""])[0],
    }
    with request_scope(ACCOUNT, REGION):
        role = iam._roles.get(arn.rpartition("/")[2])
        for action in ("sts:AssumeRole", "sts:TagSession"):
            if role is None or not _trusts(role, action, tags):
                raise Refused(403, f"{arn} does not let {PRINCIPAL} {action} for this pod")
        name = f"eks-{cluster}-{secrets.token_hex(8)}"
        key, secret, token = sts._gen_session_access_key(), sts._gen_secret(), sts._gen_session_token()
        expiration = datetime.now(UTC) + SESSION
        session = {
            "Arn": sts._assumed_role_arn(arn, name)[0],
            "UserId": f"{role['RoleId']}:{name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": expiration.timestamp(),
            "AccountId": ACCOUNT,
            "PrincipalType": "AssumedRole",
            "SessionTags": [{"Key": tag, "Value": value} for tag, value in tags.items()],
        }
        sts.register_session(key, session)
    shown = expiration.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"AccessKeyId": key, "SecretAccessKey": secret, "Token": token, "AccountId": ACCOUNT, "Expiration": shown}


def _trusts(role: Record, action: str, tags: dict[str, str]) -> bool:
    """MiniStack's own AssumeRole knows no services: it would let the account's root pass for one."""
    asked = EvalContext(
        principal_arn=PRINCIPAL,
        principal_type="Service",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=role["Arn"],
        region=REGION,
        request_tags=tags,
        tag_keys=list(tags),
        service_context={"aws:sourceaccount": ACCOUNT},
    )
    return bool(evaluate_resource_policy(role["AssumeRolePolicyDocument"], asked, PRINCIPAL).decision == "Allow")


async def agent(cluster: ApiServer, path: str, token: str) -> tuple[int, Any]:
    """Status and answer of the agent."""
    if path != CREDENTIALS_PATH:
        return 404, "not found"
    try:
        return 200, await credentials(cluster, token)
    except Refused as refused:
        log.warning("no credentials: %s", refused)
        return refused.status, str(refused)
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("no credentials: the API server does not answer: %r", error)
        return 503, "the API server does not answer"
