"""Instances of RDS are PostgreSQL servers, which know whom IAM lets in."""

import socket
import ssl

import psycopg
import pytest

from tests.integration.data_plane.database_stand_in import Database
from tests.integration.data_plane.shop_stand_in import (
    World,
)
from tests.integration.harness.aws.data_plane.resolving import address
from tests.integration.harness.machine.network import AWS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


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
