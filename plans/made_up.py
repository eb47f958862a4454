"""What AWS and Kubernetes would answer: made up, in the shape that it has there."""

from collections.abc import Callable, Mapping
from typing import Any

from infra.aws import regions

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ZONES = ("eu-central-1a", "eu-central-1b", "eu-central-1c")

HOST = f"{REGION}.amazonaws.com"

Outputs = dict[str, Any]


def answer(kind: str, name: str, inputs: dict[str, Any]) -> Outputs:
    """The outputs of a resource that are not among its inputs.

    Raises:
        LookupError: for a package that nothing is known of.
    """
    package, _, rest = kind.partition(":")
    match package:
        case "aws":
            service = rest.partition("/")[0]
            physical = inputs.get("name") or name
            own = OF_ITS_OWN.get(kind)
            return {"name": physical, "arn": _arn(service, physical)} | (own(name, inputs) if own else {})
        case "kubernetes":
            metadata = {"name": name} | (inputs.get("metadata") or {})
            return {"metadata": metadata}
        case "docker-build":
            tags = inputs.get("tags") or [name]
            digest = f"sha256:{_hex(name, 64)}"
            return {"ref": f"{tags[0]}@{digest}", "digest": digest}
        case "pulumi":
            return {}
    raise LookupError(f"no answer is known for the resource {kind} {name}")


def call(token: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
    """The result of a function.

    Raises:
        LookupError: for a function that nothing is known of.
    """
    match token:
        case "aws:index/getAvailabilityZones:getAvailabilityZones":
            region = arguments["region"]
            ids = sorted(regions.zone_ids(region))[: len(ZONES)]
            names = [zone.replace(REGION, region) for zone in ZONES[: len(ids)]]
            return {"id": region, "names": names, "zoneIds": ids[: len(names)]}
        case "aws:cloudwatch/getLogGroups:getLogGroups":
            return {"id": arguments["logGroupNamePrefix"], "arns": [], "logGroupNames": []}
        case "docker:index/getRegistryImage:getRegistryImage":
            return {"id": "image", "name": arguments["name"], "sha256Digest": f"sha256:{_hex(arguments['name'], 64)}"}
    raise LookupError(f"no answer is known for the function {token}")


def _arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


def _hex(text: str, digits: int) -> str:
    return text.encode().hex()[:digits].ljust(digits, "0")


def _certificate(name: str, inputs: Outputs) -> Outputs:
    options = [
        {
            "domainName": domain,
            "resourceRecordName": f"_validation.{domain}.",
            "resourceRecordType": "CNAME",
            "resourceRecordValue": f"_{name}.acm-validations.aws.",
        }
        for domain in (inputs["domainName"], *(inputs.get("subjectAlternativeNames") or ()))
    ]
    return {"arn": _arn("acm", f"certificate/{name}"), "domainValidationOptions": options}


def _domain_name(name: str, inputs: Outputs) -> Outputs:
    target = {"targetDomainName": f"d-{name}.execute-api.{HOST}", "hostedZoneId": "Z1U9ULNL0V5AJ3"}
    return {"id": inputs["domainName"], "domainNameConfiguration": {**inputs["domainNameConfiguration"], **target}}


def _cluster(name: str, inputs: Outputs) -> Outputs:
    return {
        "arn": _arn("eks", f"cluster/{inputs.get('name') or name}"),
        "endpoint": f"https://{name}.eks.{HOST}",
        "certificateAuthority": {"data": "Q0E="},
        "vpcConfig": {**inputs["vpcConfig"], "clusterSecurityGroupId": f"sg-{name}"},
    }


def _database(name: str, inputs: Outputs) -> Outputs:
    address = f"{name}.{_hex(name, 12)}.{REGION}.rds.amazonaws.com"
    port = {"mysql": 3306}.get(inputs["engine"], 5432)
    secret = {"secretArn": _arn("secretsmanager", f"secret:rds!db-{name}"), "secretStatus": "active", "kmsKeyId": "key"}
    return {
        "address": address,
        "arn": _arn("rds", f"db:{name}"),
        "endpoint": f"{address}:{port}",
        "port": port,
        "identifier": inputs.get("identifier") or name,
        "resourceId": f"db-{_hex(name, 26).upper()}",
        "masterUserSecrets": [secret],
    }


def _load_balancer(name: str, inputs: Outputs) -> Outputs:
    return {
        "arn": _arn("elasticloadbalancing", f"loadbalancer/app/{name}/1"),
        "arnSuffix": f"app/{name}/1",
        "dnsName": f"internal-{name}.{REGION}.elb.amazonaws.com",
        "zoneId": "Z215JYRZR1TBD5",
    }


def _target_group(name: str, inputs: Outputs) -> Outputs:
    return {"arn": _arn("elasticloadbalancing", f"targetgroup/{name}/1"), "arnSuffix": f"targetgroup/{name}/1"}


def _user_pool(name: str, inputs: Outputs) -> Outputs:
    pool = f"{REGION}_{_hex(name, 9)}"
    return {"id": pool, "endpoint": f"cognito-idp.{HOST}/{pool}", "arn": _arn("cognito-idp", f"userpool/{pool}")}


def _queue(name: str, inputs: Outputs) -> Outputs:
    return {"url": f"https://sqs.{HOST}/{ACCOUNT}/{inputs.get('name') or name}"}


def _iam(what: str) -> Callable[[str, Outputs], Outputs]:
    def outputs(name: str, inputs: Outputs) -> Outputs:
        physical = inputs.get("name") or name
        return {"id": physical, "arn": f"arn:aws:iam::{ACCOUNT}:{what}/{physical}"}

    return outputs


def _repository(name: str, inputs: Outputs) -> Outputs:
    return {"repositoryUrl": f"{ACCOUNT}.dkr.ecr.{HOST}/{inputs.get('name') or name}", "registryId": ACCOUNT}


OF_ITS_OWN: Mapping[str, Callable[[str, Outputs], Outputs]] = {
    "aws:acm/certificate:Certificate": _certificate,
    "aws:apigatewayv2/api:Api": lambda name, inputs: {
        "apiEndpoint": f"https://{name}.execute-api.{HOST}",
        "executionArn": _arn("execute-api", name),
    },
    "aws:apigatewayv2/domainName:DomainName": _domain_name,
    "aws:cloudwatch/logGroup:LogGroup": lambda name, inputs: {
        "arn": _arn("logs", f"log-group:{inputs.get('name') or name}")
    },
    "aws:cognito/userPool:UserPool": _user_pool,
    "aws:dynamodb/table:Table": lambda name, inputs: {"arn": _arn("dynamodb", f"table/{inputs.get('name') or name}")},
    "aws:ecr/repository:Repository": _repository,
    "aws:eks/cluster:Cluster": _cluster,
    "aws:iam/policy:Policy": _iam("policy"),
    "aws:iam/role:Role": _iam("role"),
    "aws:kms/key:Key": lambda name, inputs: {"keyId": f"{name}-id", "arn": _arn("kms", f"key/{name}-id")},
    "aws:lb/listener:Listener": lambda name, inputs: {"arn": _arn("elasticloadbalancing", f"listener/app/{name}/1/1")},
    "aws:lb/loadBalancer:LoadBalancer": _load_balancer,
    "aws:lb/targetGroup:TargetGroup": _target_group,
    "aws:rds/instance:Instance": _database,
    "aws:route53/record:Record": lambda name, inputs: {"fqdn": inputs["name"]},
    "aws:sqs/queue:Queue": _queue,
}
"""What differs from the rule `name`, `arn:aws:<service>:<region>:<account>:<name>`."""
