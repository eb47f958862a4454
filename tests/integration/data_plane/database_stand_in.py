"""An RDS instance in the tests of the data plane, made as the program makes one, and ways to sign in to it."""

import json
from typing import Any

import boto3
import psycopg

from tests.fixtures import wait_for
from tests.integration.data_plane.shop_stand_in import World, may
from tests.integration.harness.aws.data_plane.resolving import address
from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION

PORT = 5432


class Database:
    """Is there when the instance is available."""

    def __init__(self, world: World, identifier: str) -> None:
        self._world, self.identifier = world, identifier
        self._rds = world.aws.client("rds")
        self._rds.create_db_instance(
            DBInstanceIdentifier=identifier,
            Engine="postgres",
            DBInstanceClass="db.t4g.micro",
            AllocatedStorage=20,
            MasterUsername="platform",
            ManageMasterUserPassword=True,
            EnableIAMDatabaseAuthentication=True,
        )
        self.waited = self.described()["DBInstanceStatus"] == "creating"
        self.wait()
        self.host, self.resource = self.described()["Endpoint"]["Address"], self.described()["DbiResourceId"]

    def described(self) -> Any:
        return self._rds.describe_db_instances(DBInstanceIdentifier=self.identifier)["DBInstances"][0]

    def wait(self) -> None:
        wait_for(lambda: self.described()["DBInstanceStatus"] == "available", 40, f"{self.identifier} is available")

    def connect(self, user: str, password: str, database: str = "postgres", sslmode: str = "verify-full") -> Any:
        return psycopg.connect(
            host=self.host,
            hostaddr=address(self.host),
            user=user,
            password=password,
            dbname=database,
            sslmode=sslmode,
            sslrootcert=self._world.ca_file if sslmode == "verify-full" else "",
            connect_timeout=5,
            autocommit=True,
        )

    def master(self) -> Any:
        secret = self._world.aws.client("secretsmanager").get_secret_value(
            SecretId=self.described()["MasterUserSecret"]["SecretArn"]
        )
        known = json.loads(secret["SecretString"])
        return self.connect(known["username"], known["password"])

    def token(self, session: boto3.Session, user: str) -> str:
        return str(session.client("rds").generate_db_auth_token(self.host, PORT, user))

    def session(self, user: str) -> boto3.Session:
        """Of a pod that may connect as this user."""
        arn = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{self.resource}/{user}"
        return self._world.session(self._world.account(may("rds-db:connect", arn)))

    def reboot(self) -> None:
        self._rds.reboot_db_instance(DBInstanceIdentifier=self.identifier)

    def delete(self) -> None:
        self._rds.delete_db_instance(DBInstanceIdentifier=self.identifier, SkipFinalSnapshot=True)
