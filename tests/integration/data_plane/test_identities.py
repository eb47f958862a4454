"""Pods have identities, and may do what their roles allow. No pod runs: the tests have tokens, and speak for pods."""

import json
import threading
from collections.abc import Callable
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.capabilities.people.aws import administer_people
from tests.integration.data_plane.shop_stand_in import (
    CLUSTER,
    OWN,
    PASSWORD,
    World,
    credentials,
    may,
    tag_list,
)
from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

TOKEN_FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
Refusal = Callable[[], Any]


def variables(pod: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in pod["spec"]["containers"][0]["env"]}


def test_a_pod_gets_variables_and_a_token_when_its_account_has_an_association(world: World) -> None:
    pod = world.pod(world.account(may("sqs:SendMessage", "*")))

    assert variables(pod) == {
        "A": "b",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{TOKEN_FOLDER}/eks-pod-identity-token",
    }
    [volume] = [
        mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"] if mount["mountPath"] == TOKEN_FOLDER
    ]
    [sources] = [each["projected"]["sources"] for each in pod["spec"]["volumes"] if each["name"] == volume]
    wanted = {"audience": "pods.eks.amazonaws.com", "expirationSeconds": 86400, "path": "eks-pod-identity-token"}
    assert sources == [{"serviceAccountToken": wanted}]


def test_a_pod_is_left_alone_when_its_account_has_none(world: World) -> None:
    pod = world.pod(world.account())

    assert variables(pod) == {"A": "b"}
    assert "eks-pod-identity-token" not in json.dumps(pod["spec"])


def test_the_agent_gives_a_pod_the_credentials_of_its_role(world: World) -> None:
    account = world.account(may("sqs:SendMessage", "*"))

    identity = world.client(world.session(account), "sts").get_caller_identity()

    assert identity["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{account}/eks-{CLUSTER}-")


def test_the_agent_refuses_who_has_no_association_no_good_token_or_one_for_others(world: World) -> None:
    account, without = world.account(may("sqs:SendMessage", "*")), world.account()
    tokens = (world.token(without), world.token(account, "https://kubernetes.default.svc"), "invented", "")

    assert [credentials(token).status_code for token in tokens] == [404, 401, 401, 400]


def test_the_agent_does_not_give_away_a_role_that_trusts_other_pods(world: World) -> None:
    account = world.account(may("sqs:SendMessage", "*"), trusts="another")

    assert credentials(world.token(account)).status_code == 403


def test_a_pod_reaches_services_by_their_own_names_and_does_what_its_role_allows(world: World) -> None:
    topic, queue = world.topic_with_queue("orders", let_in=True)
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
    consume = may(["sqs:ReceiveMessage", "sqs:DeleteMessage"], arn)
    session = world.session(world.account(may("sns:Publish", topic), consume))
    sns, sqs = world.client(session, "sns"), world.client(session, "sqs")

    sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "placed"}])
    received = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    handles = [{"Id": "1", "ReceiptHandle": received[0]["ReceiptHandle"]}]

    assert queue == f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/orders"
    assert [message["Body"] for message in received] == ["placed"]
    assert sqs.delete_message_batch(QueueUrl=queue, Entries=handles)["Successful"] == [{"Id": "1"}]


def test_a_pod_reaches_its_table_by_the_name_of_the_account(world: World) -> None:
    """Clients that know their account ask https://<account>.ddb.<region>.amazonaws.com."""
    world.aws.client("dynamodb").create_table(
        TableName="notes",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=tag_list(OWN),
    )
    actions = ["dynamodb:PutItem", "dynamodb:GetItem"]
    account = world.account(may(actions, f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/notes"))
    client, asked = world.client(world.session(account), "dynamodb"), list[str]()
    client.meta.events.register("before-send", lambda request, **_: asked.append(request.url))

    client.transact_write_items(TransactItems=[{"Put": {"TableName": "notes", "Item": {"pk": {"S": "1"}}}}])

    assert client.get_item(TableName="notes", Key={"pk": {"S": "1"}})["Item"] == {"pk": {"S": "1"}}
    assert set(asked) == {f"https://{ACCOUNT}.ddb.{REGION}.amazonaws.com/"}


def test_a_pod_administers_people_with_what_the_program_allows_for_it(world: World) -> None:
    cognito = world.aws.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="staff", UsernameAttributes=["email"], UserPoolTags=OWN)["UserPool"]
    flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    client = cognito.create_user_pool_client(UserPoolId=pool["Id"], ClientName="app", ExplicitAuthFlows=flows)
    [statement] = administer_people(pool["Arn"])
    ours = world.client(world.session(world.account(statement.document())), "cognito-idp")
    one = {"UserPoolId": pool["Id"], "Username": "grace@example.com"}

    ours.admin_create_user(**one, MessageAction="SUPPRESS")
    ours.admin_set_user_password(**one, Password=PASSWORD, Permanent=True)
    signed_in = ours.admin_initiate_auth(
        UserPoolId=pool["Id"],
        ClientId=client["UserPoolClient"]["ClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": one["Username"], "PASSWORD": PASSWORD},
    )
    ours.admin_get_user(**one)
    ours.admin_delete_user(**one)

    assert signed_in["AuthenticationResult"]["AccessToken"]
    with pytest.raises(ClientError, match="not authorized to perform: cognito-idp:ListUsers"):
        ours.list_users(UserPoolId=pool["Id"])


def test_a_queue_takes_nothing_of_a_topic_that_its_policy_does_not_let_in(world: World) -> None:
    topic, queue = world.topic_with_queue("closed", let_in=False)

    world.aws.client("sns").publish(TopicArn=topic, Message="lost")

    assert "Messages" not in world.aws.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1)


def test_a_pod_may_do_nothing_that_its_role_does_not_allow(world: World) -> None:
    world.aws.client("sqs").create_queue(QueueName="others", tags=OWN)
    session = world.session(world.account(may("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:others")))
    ours = {name: world.client(session, name) for name in ("sqs", "sns", "dynamodb", "secretsmanager", "cognito-idp")}
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/others"
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:others"
    key = {"pk": {"S": "1"}}
    forbidden: dict[str, Refusal] = {
        "sqs": lambda: ours["sqs"].send_message(QueueUrl=url, MessageBody="forged"),
        "sns": lambda: ours["sns"].publish(TopicArn=topic, Message="forged"),
        "dynamodb": lambda: ours["dynamodb"].get_item(TableName="others", Key=key),
        "secretsmanager": lambda: ours["secretsmanager"].get_secret_value(SecretId="others"),
        "cognito-idp": lambda: ours["cognito-idp"].admin_get_user(UserPoolId=f"{REGION}_others", Username="ada"),
    }

    ours["sqs"].receive_message(QueueUrl=url)
    for call in forbidden.values():
        with pytest.raises(ClientError, match=r"assumed-role.* is not authorized to perform"):
            call()


def test_a_role_may_do_nothing_that_its_boundary_forbids(world: World) -> None:
    session = world.session(world.account(may("iam:ListRoles", "*")))

    with pytest.raises(ClientError, match="is not authorized to perform: iam:ListRoles"):
        session.client("iam", endpoint_url=f"https://iam.{REGION}.amazonaws.com", verify=world.ca_file).list_roles()


@pytest.mark.parametrize("tags", [{"Environment": "staging"}, {}], ids=["of another environment", "of nobody"])
def test_a_role_that_allows_itself_everything_reads_no_queue(world: World, tags: dict[str, str]) -> None:
    name = f"queue-{len(tags)}"
    world.aws.client("sqs").create_queue(QueueName=name, tags=tags)
    everything = world.client(world.session(world.account(may("*", "*"))), "sqs")

    with pytest.raises(ClientError, match=r"assumed-role.* is not authorized to perform"):
        everything.receive_message(QueueUrl=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")


def test_who_has_no_or_forged_credentials_gets_nothing(world: World) -> None:
    forged = boto3.Session("ASIAFORGED0000000000", "forged", "forged", REGION)

    with pytest.raises(ClientError, match="security token included in the request is invalid"):
        world.client(forged, "sqs").list_queues()
    unsigned = httpx.post(
        f"https://sqs.{REGION}.amazonaws.com", headers={"X-Amz-Target": "AmazonSQS.ListQueues"}, json={}
    )
    assert unsigned.status_code in (400, 403)


def test_receives_that_wait_hold_up_nobody_and_take_no_message_when_their_clients_are_gone(world: World) -> None:
    sqs = world.aws.client("sqs")
    queue = sqs.create_queue(QueueName="patience", tags=OWN)["QueueUrl"]
    session = world.session(world.account(may("sqs:ReceiveMessage", f"arn:aws:sqs:{REGION}:{ACCOUNT}:patience")))
    config = Config(read_timeout=4, retries={"total_max_attempts": 1}, max_pool_connections=50)
    impatient = world.client(session, "sqs", config)

    def wait() -> None:
        with pytest.raises(ReadTimeoutError):
            impatient.receive_message(QueueUrl=queue, WaitTimeSeconds=20)

    waiting = [threading.Thread(target=wait) for _ in range(40)]
    for each in waiting:
        each.start()
    sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    still_waiting = [each for each in waiting if each.is_alive()]
    for each in waiting:
        each.join()
    sqs.send_message(QueueUrl=queue, MessageBody="still here")

    assert still_waiting
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]["Body"] == "still here"
