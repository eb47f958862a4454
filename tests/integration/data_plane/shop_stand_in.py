"""What stands for the program in the tests of the data plane: the resources that matter to it, made by boto3."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
import httpx

from infra.capabilities.routes.aws import SERVICE_HEADER
from shop.outputs import Outputs
from tests.fixtures import wait_for
from tests.integration.data_plane.pods_stand_in import PORT, Pod
from tests.integration.harness.aws.account import Aws
from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION
from tests.integration.harness.cluster.control_plane import ControlPlane
from tests.integration.harness.machine.network import POD_IDENTITY

CLUSTER, NAMESPACE, SERVICE = "shop-emulated", "shop", "orders"
SCOPE = "orders/read"
EMAIL, PASSWORD = "ada@example.com", "Correct horse, battery 1"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
BINDINGS = f"/apis/eks.amazonaws.com/v1/namespaces/{NAMESPACE}/targetgroupbindings"
OWN = {"Environment": "emulated"}
"""The tag by which the boundary knows the environment's things."""
TIMEOUT_MILLISECONDS = 1000
"""Of the gateway's patience, in the place of thirty seconds."""
Record = dict[str, Any]


def may(actions: str | Sequence[str], resource: str) -> Record:
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def document(*statements: Record) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """As most services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def credentials(token: str) -> httpx.Response:
    """The agent's answer to a pod with this token."""
    return httpx.get(f"http://{POD_IDENTITY}/v1/credentials", headers={"Authorization": token})


@dataclass(frozen=True, kw_only=True)
class World:
    aws: Aws
    cluster: ControlPlane
    ca_file: str
    """Of who signs for AWS."""

    def name_the_cluster(self) -> None:
        """The account has to have a cluster before associations can belong to it."""
        trust = document({"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"})
        role = self.aws.client("iam").create_role(RoleName="cluster", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        subnet = self.aws.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"]
        self.aws.client("eks").create_cluster(name=CLUSTER, roleArn=role, resourcesVpcConfig={"subnetIds": [subnet]})
        self.cluster.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})

    def account(self, *statements: Record, trusts: str | None = None) -> str:
        """A new service account; with statements it has a role that allows them, as the program makes it."""
        name = f"account-{secrets.token_hex(4)}"
        self.cluster.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": name}})
        if statements:
            self._role(name, statements, trusts or name)
        return name

    def _role(self, account: str, statements: Sequence[Record], trusts: str) -> None:
        tags = {
            "aws:SourceAccount": ACCOUNT,
            "aws:RequestTag/eks-cluster-arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/{CLUSTER}",
            "aws:RequestTag/kubernetes-namespace": NAMESPACE,
            "aws:RequestTag/kubernetes-service-account": trusts,
        }
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": tags},
        }
        iam, boundary = self.aws.client("iam"), f"arn:aws:iam::{ACCOUNT}:policy/{CLUSTER}-boundary"
        role = iam.create_role(
            RoleName=account, AssumeRolePolicyDocument=document(trust), PermissionsBoundary=boundary
        )["Role"]["Arn"]
        iam.put_role_policy(RoleName=account, PolicyName="may", PolicyDocument=document(*statements))
        self.aws.client("eks").create_pod_identity_association(
            clusterName=CLUSTER, namespace=NAMESPACE, serviceAccount=account, roleArn=role
        )

    def topic_with_queue(self, name: str, *, let_in: bool) -> tuple[str, str]:
        """The ARN of a topic, and the URL of a queue that subscribes to it, with the policy of
        infra/capabilities/messages/aws.py; it lets this topic in, or another."""
        sns, sqs, arn = self.aws.client("sns"), self.aws.client("sqs"), f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        topic = str(sns.create_topic(Name=name, Tags=tag_list(OWN))["TopicArn"])
        of_topic = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": [topic if let_in else f"{topic}-of-others"]}},
        }
        tls_only = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": arn,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        policy = {"Policy": document(of_topic, tls_only)}
        queue = str(sqs.create_queue(QueueName=name, Attributes=policy, tags=OWN)["QueueUrl"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
        return topic, queue

    def token(self, account: str, audience: str = "pods.eks.amazonaws.com") -> str:
        """As the kubelet would put it into a pod."""
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
        return str(self.cluster.post(path, {"spec": {"audiences": [audience]}})["status"]["token"])

    def pod(self, account: str) -> Record:
        """A new pod, as the API server keeps it."""
        container = {"name": "it", "image": "it", "env": [{"name": "A", "value": "b"}]}
        pod = {
            "metadata": {"name": f"pod-{secrets.token_hex(4)}"},
            "spec": {"serviceAccountName": account, "containers": [container]},
        }
        return self.cluster.post(f"/api/v1/namespaces/{NAMESPACE}/pods", pod)

    def session(self, account: str) -> boto3.Session:
        """With the credentials that the agent gives the pods of this account."""
        answer = credentials(self.token(account)).json()
        keys = answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"]
        return boto3.Session(*keys, region_name=REGION, aws_account_id=answer["AccountId"])

    def client(self, session: boto3.Session, service: str, config: Any = None) -> Any:
        """At AWS's own address."""
        return session.client(service, verify=self.ca_file, config=config)  # type: ignore[call-overload]


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A service behind a gateway and a load balancer, and people who may come in."""

    world: World
    outputs: Outputs
    group: str
    """The ARN of its target group."""
    pods: dict[str, Pod]

    def healthy(self) -> set[str]:
        states = self.world.aws.client("elbv2").describe_target_health(TargetGroupArn=self.group)
        return {
            f"{each['Target']['Id']}:{each['Target']['Port']}"
            for each in states["TargetHealthDescriptions"]
            if each["TargetHealth"]["State"] == "healthy"
        }

    def ready(self, *addresses: str) -> None:
        """These pods are ready, the others are about to end. Returns when the load balancer knows."""
        endpoints = [
            {"addresses": [each], "conditions": {"ready": each in addresses, "terminating": each not in addresses}}
            for each in self.pods
        ]
        self.world.cluster.patch(f"{SLICES}/{SERVICE}", {"endpoints": endpoints})
        wanted = {f"{each}:{PORT}" for each in addresses}
        wait_for(lambda: self.healthy() == wanted, 10, f"the load balancer knows {wanted}")


def shop(world: World, pods: dict[str, Pod]) -> Shop:
    groups, listener = _load_balancer(world.aws)
    people = _people(world.aws)
    url = _api(world.aws, people, listener)
    _cluster(world.cluster, groups[SERVICE])
    return Shop(world=world, outputs=people.model_copy(update={"url": url}), group=groups[SERVICE], pods=pods)


def _load_balancer(aws: Aws) -> tuple[dict[str, str], str]:
    """Its target groups, by service, and its listener."""
    elb = aws.client("elbv2")
    subnet = aws.client("ec2").describe_subnets()["Subnets"][0]
    balancer = elb.create_load_balancer(Name="shop", Subnets=[subnet["SubnetId"]])["LoadBalancers"][0]
    fixed = {"ContentType": "application/json", "MessageBody": '{"message":"Not Found"}', "StatusCode": "404"}
    listener = elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": fixed}],
    )["Listeners"][0]["ListenerArn"]
    groups: dict[str, str] = {}
    for priority, name in enumerate((SERVICE, "idle"), start=1):
        made = elb.create_target_group(Name=name, Protocol="HTTP", Port=PORT, TargetType="ip", VpcId=subnet["VpcId"])
        groups[name] = made["TargetGroups"][0]["TargetGroupArn"]
        header = {"HttpHeaderName": SERVICE_HEADER, "Values": [name]}
        elb.create_rule(
            ListenerArn=listener,
            Priority=priority,
            Conditions=[{"Field": "http-header", "HttpHeaderConfig": header}],
            Actions=[{"Type": "forward", "TargetGroupArn": groups[name]}],
        )
    return groups, listener


def _people(aws: Aws) -> Outputs:
    cognito, callback = aws.client("cognito-idp"), "http://127.0.0.1:8250/callback"
    pool = cognito.create_user_pool(PoolName="people", UsernameAttributes=["email"])["UserPool"]["Id"]
    scope = {"ScopeName": SCOPE.partition("/")[2], "ScopeDescription": "Read"}
    cognito.create_resource_server(UserPoolId=pool, Identifier=SERVICE, Name=SERVICE, Scopes=[scope])
    client = cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName="app",
        SupportedIdentityProviders=["COGNITO"],
        CallbackURLs=[callback],
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", SCOPE],
    )["UserPoolClient"]["ClientId"]
    domain = f"{CLUSTER}-{ACCOUNT}"
    cognito.create_user_pool_domain(Domain=domain, UserPoolId=pool)
    cognito.admin_create_user(UserPoolId=pool, Username=EMAIL, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=pool, Username=EMAIL, Password=PASSWORD, Permanent=True)
    pages = f"https://{domain}.auth.{REGION}.amazoncognito.com/oauth2"
    return Outputs(
        url="",
        issuer=f"https://cognito-idp.{REGION}.amazonaws.com/{pool}",
        client_id=client,
        user_pool_id=pool,
        scopes=[SCOPE],
        callback_url=callback,
        authorize_url=f"{pages}/authorize",
        token_url=f"{pages}/token",
    )


def _api(aws: Aws, people: Outputs, listener: str) -> str:
    gateway = aws.client("apigatewayv2")
    api = gateway.create_api(Name="shop", ProtocolType="HTTP")
    link = gateway.create_vpc_link(Name="shop", SubnetIds=["subnet"])["VpcLinkId"]
    authorizer = gateway.create_authorizer(
        ApiId=api["ApiId"],
        Name="people",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": people.issuer, "Audience": [people.client_id]},
    )["AuthorizerId"]
    targets = {name: _integration(gateway, api["ApiId"], link, listener, name) for name in (SERVICE, "idle", "nobody")}
    jwt = {"AuthorizationType": "JWT", "AuthorizerId": authorizer}
    routes = {
        "GET /orders/{id}": (SERVICE, jwt | {"AuthorizationScopes": [SCOPE]}),
        "POST /orders": (SERVICE, jwt | {"AuthorizationScopes": ["orders/write"]}),
        "POST /open": (SERVICE, {}),
        "GET /open/{path+}": (SERVICE, {}),
        "GET /idle": ("idle", {}),
        "GET /nobody": ("nobody", {}),
    }
    for key, (name, checks) in routes.items():
        gateway.create_route(ApiId=api["ApiId"], RouteKey=key, Target=f"integrations/{targets[name]}", **checks)
    gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    return str(api["ApiEndpoint"])


def _integration(gateway: Any, api: str, link: str, listener: str, service: str) -> str:
    """As infra/capabilities/routes/aws.py has it."""
    made = gateway.create_integration(
        ApiId=api,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="ANY",
        IntegrationUri=listener,
        ConnectionType="VPC_LINK",
        ConnectionId=link,
        PayloadFormatVersion="1.0",
        TimeoutInMillis=TIMEOUT_MILLISECONDS,
        RequestParameters={
            "overwrite:path": "$request.path",
            "overwrite:header.x-request-id": "$context.requestId",
            f"overwrite:header.{SERVICE_HEADER}": service,
        },
    )
    return str(made["IntegrationId"])


def _cluster(cluster: ControlPlane, group: str) -> None:
    """A Service without a selector: the tests say themselves which pods are ready."""
    port = {"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}
    cluster.post(f"/api/v1/namespaces/{NAMESPACE}/services", {"metadata": {"name": SERVICE}, "spec": {"ports": [port]}})
    labels = {"kubernetes.io/service-name": SERVICE, "endpointslice.kubernetes.io/managed-by": "tests"}
    cluster.post(
        SLICES,
        {
            "metadata": {"name": SERVICE, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
            "endpoints": [],
        },
    )
    binding = {"serviceRef": {"name": SERVICE, "port": PORT}, "targetGroupARN": group, "targetType": "ip"}
    kind = {"apiVersion": "eks.amazonaws.com/v1", "kind": "TargetGroupBinding"}
    cluster.post(BINDINGS, {**kind, "metadata": {"name": SERVICE}, "spec": binding})
