"""DynamoDB tables on the emulator, with the keys that a service's table has in every environment."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from infra.contract import EXPIRY, PARTITION_KEY, SORT_KEY
from tests.fixtures import Emulator, client_of


@contextmanager
def fresh_table(emulator: Emulator) -> Iterator[str]:
    """The name of an empty table, gone at the end."""
    client = client_of("dynamodb", emulator.url)
    name = f"table-{secrets.token_hex(4)}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in (PARTITION_KEY, SORT_KEY)],
        KeySchema=[
            {"AttributeName": PARTITION_KEY, "KeyType": "HASH"},
            {"AttributeName": SORT_KEY, "KeyType": "RANGE"},
        ],
    )
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRY})
    yield name
    client.delete_table(TableName=name)
