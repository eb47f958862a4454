"""What the emulated AWS does for pods. No pod runs: the tests have addresses and tokens of pods, and speak for them."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import httpx
import psutil
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.aws.workload_identity import administer_people
from infra.bootstrap import postgres
from shop import oauth
from tests.authority import authority
from tests.fixtures import wait_for
from tests.integration.harness.aws.account import emulated_aws
from tests.integration.harness.aws.data_plane import webhook
from tests.integration.harness.aws.data_plane.database_stand_in import Database
from tests.integration.harness.aws.data_plane.pods_stand_in import GONE, REMEMBERED, SLOW, Pod, pods
from tests.integration.harness.aws.data_plane.postgres import why_not
from tests.integration.harness.aws.data_plane.resolving import address, names_of_aws
from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION
from tests.integration.harness.aws.data_plane.shop_stand_in import (
    BINDINGS,
    CLUSTER,
    EMAIL,
    OWN,
    PASSWORD,
    SCOPE,
    SERVICE,
    Shop,
    World,
    credentials,
    may,
    shop,
    tag_list,
)
from tests.integration.harness.cluster.control_plane import control_plane
from tests.integration.harness.machine.network import AWS, private_network
from tests.integration.harness.machine.toolchain import explained, of_this_machine

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120), pytest.mark.xdist_group("data-plane")]

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
FIRST, SECOND = "10.244.0.11", "10.244.0.12"
TOKEN_FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
Refusal = Callable[[], Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if reason := why_not():
        pytest.skip(reason)
    tools = of_this_machine()
    if missing := {name: remedy for name, remedy in tools.missing().items() if name in PROGRAMS}:
        pytest.skip(explained(missing))
    folders = {name: tmp_path_factory.mktemp(name) for name in ("authority", "cluster", "aws")}
    for folder in folders.values():
        folder.chmod(0o700)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        try:
            stack.enter_context(private_network())
        except OSError as error:
            pytest.skip(f"a network of the tests' own cannot be had: {error}")
        stack.enter_context(names_of_aws())
        ours = authority(folders["authority"])
        ca_file = str(ours.folder / "authority.pem")
        patch.setenv("SSL_CERT_FILE", ca_file)  # for httpx
        cluster = stack.enter_context(control_plane(tools, folders["cluster"]))
        aws = stack.enter_context(emulated_aws(folders["aws"], cluster, ours))
        webhook.install(cluster, ours)
        made = World(aws=aws, cluster=cluster, ca_file=ca_file)
        made.name_the_cluster()
        yield made


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[dict[str, Pod]]:
    with pods(FIRST, SECOND) as made:
        yield made


@pytest.fixture(scope="module")
def entrance(world: World, running: dict[str, Pod]) -> Shop:
    made = shop(world, running)
    made.ready(FIRST, SECOND)
    return made


@pytest.fixture(scope="module")
def bearer(entrance: Shop) -> dict[str, str]:
    tokens = oauth.sign_in(entrance.outputs, EMAIL, PASSWORD, [SCOPE])
    return {"Authorization": f"Bearer {tokens.access_token}"}


@pytest.fixture
def http(entrance: Shop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=entrance.outputs.url, timeout=40) as client:
        yield client


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
    config = Config(read_timeout=2, retries={"total_max_attempts": 1}, max_pool_connections=50)
    impatient = world.client(session, "sqs", config)

    def wait() -> None:
        with pytest.raises(ReadTimeoutError):
            impatient.receive_message(QueueUrl=queue, WaitTimeSeconds=20)

    waiting = [threading.Thread(target=wait) for _ in range(40)]
    for each in waiting:
        each.start()
    started = time.monotonic()
    sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    took = time.monotonic() - started
    for each in waiting:
        each.join()
    sqs.send_message(QueueUrl=queue, MessageBody="still here")

    assert took < 1
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"][0]["Body"] == "still here"


def test_people_sign_in_at_the_page_and_their_token_is_good_at_the_gateway(
    entrance: Shop, http: httpx.Client, bearer: dict[str, str]
) -> None:
    keys = httpx.get(f"{entrance.outputs.issuer}/.well-known/jwks.json").json()["keys"]

    assert http.base_url.host.endswith(f".execute-api.{REGION}.amazonaws.com")
    assert keys
    assert http.get("/orders/1", headers=bearer).status_code == 200
    assert http.get("/orders/1").status_code == 401
    assert http.get("/orders/1", headers={"Authorization": "Bearer no.such.token"}).status_code == 401
    assert http.post("/orders", headers=bearer).status_code == 403
    assert http.get("/no-such-route").status_code == 404


def test_an_answer_arrives_as_the_pod_gave_it(http: httpx.Client, running: dict[str, Pod]) -> None:
    answer = http.post("/open", content=b"{}")

    assert answer.status_code == 201
    assert answer.json()["pod"] in running
    assert {name: answer.headers[name] for name in REMEMBERED} == REMEMBERED
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-request-id"] == answer.headers["apigw-requestid"]
    assert len(answer.headers["apigw-requestid"]) == 16


def test_a_request_arrives_as_it_was_sent_but_for_what_is_the_gateways_to_say(
    http: httpx.Client, entrance: Shop, running: dict[str, Pod]
) -> None:
    said = {
        "X-Request-Id": "mine",
        "X-Shop-Service": "another",
        "X-Forwarded-For": "8.8.8.8",
        "X-Forwarded-Host": "evil.example",
        "Idempotency-Key": "k",
        "Content-Type": "text/plain; charset=utf-8",
    }
    answer = http.post("/open?a=1&a=2&b=%20x%2B&empty=", content="grün", headers=said)
    heard = running[answer.json()["pod"]].heard[-1]
    own = socket.gethostbyname(AWS)

    assert heard["method"] == "POST"
    assert heard["target"] == "/open?a=1&a=2&b=%20x%2B&empty="
    assert heard["body"] == "grün"
    headers = heard["headers"]
    assert headers["host"] == http.base_url.host
    assert headers["idempotency-key"] == "k"
    assert headers["content-type"] == said["Content-Type"]
    assert headers["x-request-id"] == answer.headers["apigw-requestid"]
    assert headers["x-shop-service"] == SERVICE
    [client, gateway] = headers["x-forwarded-for"].split(", ")
    assert gateway == own
    assert headers["forwarded"] == f'by={own};for={client};host="{http.base_url.host}";proto=https'
    assert client != "8.8.8.8"
    assert "x-forwarded-host" not in headers


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("a%20b", "a%20b"),
        ("gr%C3%BCn", "gr%C3%BCn"),
        ("100%25", "100%25"),
        ("a%3Fb", "a%3Fb"),
        ("a%2Fb", "a/b"),  # API Gateway takes the encoding off: see infra/aws/entrance.py
    ],
)
def test_a_path_keeps_its_encoding_where_it_needs_one(
    http: httpx.Client, running: dict[str, Pod], sent: str, arrives: str
) -> None:
    answer = http.get(f"/open/{sent}")

    assert running[answer.json()["pod"]].heard[-1]["target"] == f"/open/{arrives}"


def test_pods_take_turns_and_connections_are_kept(http: httpx.Client, running: dict[str, Pod]) -> None:
    for pod in running.values():
        pod.connections.clear()

    answers = [http.get("/open/x").json()["pod"] for _ in range(20)]

    assert {answers.count(pod) for pod in running} == {10}
    assert all(len(pod.connections) == 1 for pod in running.values())


def test_a_pod_gets_requests_while_it_is_ready_and_its_service_is_bound(
    entrance: Shop, http: httpx.Client, world: World
) -> None:
    entrance.ready(SECOND)
    assert {http.get("/open/x").json()["pod"] for _ in range(5)} == {SECOND}
    binding = world.cluster.get(f"{BINDINGS}/{SERVICE}")
    world.cluster.delete(f"{BINDINGS}/{SERVICE}", {})
    wait_for(lambda: entrance.healthy() == set(), 10, "nothing is registered")
    unavailable = http.get("/open/x")
    del binding["metadata"]["resourceVersion"], binding["metadata"]["uid"]
    world.cluster.post(BINDINGS, binding)
    entrance.ready(FIRST, SECOND)

    assert unavailable.status_code == 503
    assert unavailable.headers["server"] == "awselb/2.0"


def test_what_cannot_be_answered_is_answered_by_who_knows_why(
    entrance: Shop, http: httpx.Client, bearer: dict[str, str]
) -> None:
    slow = http.get(SLOW, headers=bearer)
    nobody_registered, no_rule = http.get("/idle"), http.get("/nobody")

    assert (slow.status_code, slow.json()) == (503, {"message": "Service Unavailable"})  # the gateway: too late
    assert nobody_registered.status_code == 503  # the load balancer
    assert "503 Service Temporarily Unavailable" in nobody_registered.text
    assert (no_rule.status_code, no_rule.json()) == (404, {"message": "Not Found"})  # the listener's default
    assert all(answer.headers["apigw-requestid"] for answer in (slow, nobody_registered, no_rule))


def test_a_pod_that_is_gone_before_it_was_deregistered_is_a_502(
    entrance: Shop, http: httpx.Client, running: dict[str, Pod]
) -> None:
    running[GONE] = Pod(GONE)
    try:
        entrance.ready(GONE)
        answer = http.get("/open/x")
    finally:
        del running[GONE]
        entrance.ready(FIRST, SECOND)

    assert answer.status_code == 502
    assert "502 Bad Gateway" in answer.text


@pytest.fixture(scope="module")
def database(world: World) -> Database:
    made = Database(world, "orders")
    with made.master() as master:
        postgres.provision(master, "orders", "orders")
    return made


def test_an_instance_is_a_server_with_a_name_of_its_own_that_is_available_when_it_answers(
    world: World, database: Database
) -> None:
    other = Database(world, "other")

    assert database.waited
    assert (database.host, other.host) == (
        "orders.c10-77-1-1.eu-central-1.rds.amazonaws.com",
        "other.c10-77-1-2.eu-central-1.rds.amazonaws.com",
    )
    with database.master() as here, other.master() as there:
        assert here.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = 'platform'"
        ).fetchall() == [(False, True, True)]
        assert [row[0] for row in there.execute("SELECT datname FROM pg_database WHERE datname = 'orders'")] == []
    other.delete()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        other.connect("platform", "any")


def test_a_service_signs_in_with_a_token_of_its_role_and_owns_its_database(database: Database) -> None:
    token = database.token(database.session("orders"), "orders")

    with database.connect("orders", token, "orders") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS placed (id int)")


def test_no_one_else_signs_in(world: World, database: Database) -> None:
    own, another = database.session("orders"), database.session("another")
    good = database.token(own, "orders")
    refused = {
        "no token": "orders",
        "of a role that may not": database.token(another, "orders"),
        "for another user": database.token(own, "another"),
        "forged": good[:-1] + ("0" if good[-1] != "0" else "1"),
        "for another instance": good.replace(database.host, database.host.replace("orders", "other"), 1),
    }

    for token in refused.values():
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            database.connect("orders", token, "orders")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.connect("platform", good)
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects connection"):
        database.connect("orders", good, "orders", sslmode="disable")
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects connection"):
        database.connect("rdsadmin", "any")


def test_a_reboot_is_an_outage_after_which_everything_is_there(database: Database) -> None:
    token = database.token(database.session("orders"), "orders")
    with database.connect("orders", token, "orders") as connection:
        connection.execute("CREATE TABLE kept (id int)")
        database.reboot()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT pg_sleep(20)")
        with pytest.raises(psycopg.OperationalError):
            database.connect("orders", token, "orders")
    database.wait()

    with database.connect("orders", token, "orders") as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_certificates_are_of_the_authority_and_good_for_their_names_only(world: World, database: Database) -> None:
    trusted = ssl.create_default_context(cafile=world.ca_file)
    with (
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
        socket.create_connection((AWS, 443)) as plain,
    ):
        trusted.wrap_socket(plain, server_hostname="sqs.us-east-1.amazonaws.com")
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        psycopg.connect(
            host="another.c10-77-1-1.eu-central-1.rds.amazonaws.com",
            hostaddr=address(database.host),
            user="orders",
            sslmode="verify-full",
            sslrootcert=world.ca_file,
        )


def test_databases_end_with_an_emulator_that_is_killed(database: Database) -> None:
    """The last one: nothing of AWS is there after it."""
    family = psutil.Process().children(recursive=True)
    servers = [each for each in family if each.name() == "postgres"]
    [emulator] = [each for each in family if "tests.integration.harness.aws.emulator" in each.cmdline()[2:3]]

    emulator.kill()

    _, alive = psutil.wait_procs(servers, timeout=10)
    assert servers
    assert alive == []
