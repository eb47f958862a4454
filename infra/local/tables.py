"""DynamoDB tables on the emulator: the same keys as on AWS."""

import pulumi
from pulumi.dynamic import Resource

from infra.contract import EXPIRY, PARTITION_KEY, SORT_KEY
from infra.local.cloud import EmulatedProvider, client
from infra.local.provider import Properties


class _TableProvider(EmulatedProvider):
    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        dynamodb, name = client("dynamodb", inputs["endpoint"]), inputs["name"]
        if not self.present(inputs):
            dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": key, "AttributeType": "S"} for key in (PARTITION_KEY, SORT_KEY)
                ],
                KeySchema=[
                    {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
                    {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
                ],
            )
            dynamodb.update_time_to_live(
                TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRY}
            )
        return {}

    def look(self, properties: Properties) -> None:
        client("dynamodb", properties["endpoint"]).describe_table(TableName=properties["name"])

    def remove(self, properties: Properties) -> None:
        """Leaves the data: it goes with `make down PURGE=1` only."""


class Table(Resource, module="local", name="Table"):
    """The table of a service with documents."""

    name: pulumi.Output[str]

    def __init__(self, name: str, endpoint: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_TableProvider(), name, {"name": name, "endpoint": endpoint}, opts)
