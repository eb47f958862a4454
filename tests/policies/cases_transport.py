"""What travels is encrypted, and what enters is known and throttled."""

from tests.policies.cases import REMOVED, but, other, passes, resource, violates
from tests.policies.documents import QUEUE_POLICY, TOPIC_POLICY, deliver, deny, policy

DATABASE, PARAMETERS = "aws:rds/instance:Instance", "aws:rds/parameterGroup:ParameterGroup"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
LISTENER, DOMAIN = "aws:lb/listener:Listener", "aws:apigatewayv2/domainName:DomainName"
ROUTE, STAGE = "aws:apigatewayv2/route:Route", "aws:apigatewayv2/stage:Stage"
QUEUE, TOPIC = "aws:sqs/queue:Queue", "aws:sns/topic:Topic"

postgres = {"family": "postgres17", "parameters": [{"name": "rds.force_ssl", "value": "1"}]}
mysql = {"family": "mysql8.4", "parameters": [{"name": "require_secure_transport", "value": "ON"}]}
https = {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"}
modern = {"domainNameConfiguration": {"securityPolicy": "TLS_1_2"}}
queue, topic = resource(QUEUE, {}, "queue"), resource(TOPIC, {}, "topic")
guarded = {
    "routeKey": "POST /orders",
    "authorizationType": "JWT",
    "authorizerId": "abc123",
    "authorizationScopes": ["orders/write"],
}
open_route = {"routeKey": "GET /products", "authorizationType": "NONE"}
limits = {"throttlingRateLimit": 100, "throttlingBurstLimit": 200}
throttled = {"defaultRouteSettings": limits, "routeSettings": [{"routeKey": "POST /orders", **limits}]}
silent_topic = but(deny, Action="sns:Publish")

CASES = [
    passes("database-forces-tls", "PostgreSQL", resource(PARAMETERS, postgres)),
    passes("database-forces-tls", "MySQL", resource(PARAMETERS, mysql)),
    passes(
        "database-forces-tls",
        "MySQL by a number",
        resource(PARAMETERS, but(mysql, parameters=[{"name": "require_secure_transport", "value": 1}])),
    ),
    passes("database-forces-tls", "its group", resource(DATABASE, {"parameterGroupName": "orders-pg17"})),
    violates(
        "database-forces-tls",
        "PostgreSQL that does not",
        resource(PARAMETERS, but(postgres, parameters=[{"name": "rds.force_ssl", "value": "0"}])),
        finds=("rds.force_ssl is not 1",),
    ),
    violates(
        "database-forces-tls",
        "MySQL with PostgreSQL's parameter",
        resource(PARAMETERS, but(postgres, family="mysql8.4")),
        finds=("require_secure_transport is not 1",),
    ),
    violates(
        "database-forces-tls",
        "no group",
        resource(DATABASE, {"engine": "mysql"}),
        finds=("it has the default parameter group",),
    ),
    violates(
        "database-forces-tls",
        "the group of Amazon",
        resource(DATABASE, {"parameterGroupName": "default.mysql8.4"}),
        finds=("it has the default parameter group",),
    ),
    other("database-forces-tls", "a table has no connections", resource("aws:dynamodb/table:Table", {})),
    passes("listener-tls", "TLS 1.2", resource(LISTENER, https)),
    passes("listener-tls", "TLS 1.3", resource(LISTENER, but(https, sslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06"))),
    passes("listener-tls", "no TLS inside of the VPC", resource(LISTENER, {"protocol": "HTTP"})),
    violates(
        "listener-tls",
        "TLS 1.0",
        resource(LISTENER, but(https, sslPolicy="ELBSecurityPolicy-TLS13-1-0-2021-06")),
        finds=("sslPolicy is ELBSecurityPolicy-TLS13-1-0-2021-06",),
    ),
    passes(
        "listener-tls", "forward secrecy", resource(LISTENER, but(https, sslPolicy="ELBSecurityPolicy-FS-1-2-2019-08"))
    ),
    *(
        violates(
            "listener-tls",
            f"{kind} of {protocol}, nothing said",
            resource(kind, {"protocol": protocol}),
            finds=("sslPolicy is missing: it would be one with TLS 1.0",),
        )
        for kind in (LISTENER, "aws:alb/listener:Listener")
        for protocol in ("HTTPS", "TLS")
    ),
    other("listener-tls", "a target group", resource("aws:lb/targetGroup:TargetGroup", {"protocol": "HTTPS"})),
    passes("domain-tls", "TLS 1.2", resource(DOMAIN, modern)),
    violates(
        "domain-tls",
        "TLS 1.0",
        resource(DOMAIN, but(modern, domainNameConfiguration__securityPolicy="TLS_1_0")),
        finds=("securityPolicy is TLS_1_0",),
    ),
    other("domain-tls", "an API", resource("aws:apigatewayv2/api:Api", {})),
    passes("messages-over-tls", "a queue", policy(QUEUE_POLICY, deliver, deny)),
    passes("messages-over-tls", "a topic", policy(TOPIC_POLICY, silent_topic)),
    violates(
        "messages-over-tls",
        "a queue without the statement",
        policy(QUEUE_POLICY, deliver),
        finds=("it does not deny sqs:SendMessage without TLS", "it does not deny sqs:ReceiveMessage without TLS"),
    ),
    violates(
        "messages-over-tls",
        "a topic whose statement is the wrong way round",
        policy(TOPIC_POLICY, but(silent_topic, Condition={"Bool": {"aws:SecureTransport": "true"}})),
        finds=("it does not deny sns:Publish without TLS",),
    ),
    violates(
        "messages-over-tls",
        "a statement for one service",
        policy(TOPIC_POLICY, but(silent_topic, Principal={"Service": "sns.amazonaws.com"})),
        finds=("it does not deny sns:Publish without TLS",),
    ),
    violates(
        "messages-over-tls",
        "a statement under one more condition",
        policy(TOPIC_POLICY, but(silent_topic, Condition__StringEquals={"aws:SourceAccount": "1"})),
        finds=("it does not deny sns:Publish without TLS",),
    ),
    passes("messages-over-tls", "a bucket", policy(BUCKET_POLICY, but(deny, Action="*"))),
    violates(
        "messages-over-tls",
        "a bucket without the statement",
        policy(BUCKET_POLICY, but(deny, Effect="Allow", Action="*")),
        finds=("it does not deny s3:GetObject without TLS", "it does not deny s3:PutObject without TLS"),
    ),
    violates(
        "messages-over-tls",
        "a topic for nobody at all",
        policy(TOPIC_POLICY, but(silent_topic, Condition=REMOVED)),
        finds=("it does not deny sns:Publish without TLS",),
    ),
    violates(
        "messages-over-tls",
        "half of a queue",
        policy(QUEUE_POLICY, but(deny, Action="sqs:SendMessage")),
        finds=("it does not deny sqs:ReceiveMessage without TLS",),
    ),
    other("messages-over-tls", "the policy of a key: KMS has no other way", policy("aws:kms/key:Key", deliver)),
    passes(
        "queue-and-topic-have-policies",
        "both",
        queue,
        topic,
        resource(QUEUE_POLICY, {}, needs=(queue,)),
        resource(TOPIC_POLICY, {}, needs=(topic,)),
    ),
    violates(
        "queue-and-topic-have-policies",
        "neither",
        queue,
        topic,
        resource(QUEUE_POLICY, {}),
        finds=("it has no QueuePolicy", "it has no TopicPolicy"),
    ),
    other(
        "queue-and-topic-have-policies", "a subscription", resource("aws:sns/topicSubscription:TopicSubscription", {})
    ),
    passes("route-authorized", "a token with a scope", resource(ROUTE, guarded)),
    passes("route-authorized", "a public one by declaration", resource(ROUTE, open_route), public="GET /products"),
    violates(
        "route-authorized",
        "a public one that nobody declared",
        resource(ROUTE, open_route),
        finds=("anybody may call GET /products",),
    ),
    violates(
        "route-authorized",
        "nothing said, for everything else",
        resource(ROUTE, {"routeKey": "$default"}),
        finds=("anybody may call $default",),
    ),
    violates(
        "route-authorized",
        "a token without a scope, of whoever",
        resource(ROUTE, but(guarded, authorizationScopes=[], authorizerId=REMOVED)),
        finds=("POST /orders names no authorizer", "POST /orders takes any token: it names no scope"),
    ),
    violates(
        "route-authorized",
        "another way",
        resource(ROUTE, but(guarded, authorizationType="AWS_IAM")),
        finds=("POST /orders is guarded by AWS_IAM, not by a token",),
        public="POST /orders",
    ),
    other("route-authorized", "a route of the network", resource("aws:ec2/route:Route", {})),
    passes("stage-throttled", "both limits everywhere", resource(STAGE, throttled)),
    violates(
        "stage-throttled",
        "nothing said",
        resource(STAGE, {"autoDeploy": True}),
        finds=("throttlingRateLimit of every route is missing", "throttlingBurstLimit of every route is missing"),
    ),
    violates(
        "stage-throttled",
        "one limit of a route, and one of 0",
        resource(
            STAGE,
            but(throttled, defaultRouteSettings__throttlingRateLimit=0, routeSettings__0__throttlingBurstLimit=REMOVED),
        ),
        finds=("throttlingRateLimit of every route is 0", "throttlingBurstLimit of POST /orders is missing"),
    ),
    other("stage-throttled", "a stage of the older API", resource("aws:apigateway/stage:Stage", {})),
]
