"""The vendored root certificates of RDS."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from infra.aws import rds_roots
from infra.aws.database_instance import CERTIFICATE_AUTHORITY

ALGORITHMS = {"RSA2048", "RSA4096", "ECC384"}


def certificates(region: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(rds_roots.roots(region).encode())


def common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_a_region_has_its_own_three_roots_and_no_others() -> None:
    for region in rds_roots.regions():
        expected = {f"Amazon RDS {region} Root CA {algorithm} G1" for algorithm in ALGORITHMS}

        assert {common_name(each) for each in certificates(region)} == expected


def test_every_root_is_an_authority_that_signed_itself_and_lasts_five_years() -> None:
    for certificate in (each for region in rds_roots.regions() for each in certificates(region)):
        certificate.verify_directly_issued_by(certificate)
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca, common_name(certificate)
        assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=5 * 366), common_name(certificate)


def test_nothing_of_the_file_is_left_out() -> None:
    in_file = rds_roots.FILE.read_text().count("BEGIN CERTIFICATE")

    assert sum(len(certificates(region)) for region in rds_roots.regions()) == in_file == 81


def test_each_section_says_which_root_it_holds() -> None:
    titles = [line.removeprefix("# ") for line in rds_roots.FILE.read_text().splitlines() if line.startswith("#")]
    expected = [
        f"{region} rds-ca-{common_name(each).split()[-2].lower()}-g1"
        for region in rds_roots.regions()
        for each in certificates(region)
    ]

    assert titles == expected
    assert {region for region in rds_roots.regions() if f"{region} {CERTIFICATE_AUTHORITY}" in titles} == set(
        rds_roots.regions()
    )


def test_the_regions_that_most_people_use_are_there() -> None:
    assert {"eu-central-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-2", "ap-southeast-2"} <= set(
        rds_roots.regions()
    )


@pytest.mark.parametrize("region", ["", "eu", "eu-central-9", "EU-CENTRAL-1", "rds-ca-rsa2048-g1"])
def test_a_region_that_is_not_there_is_refused_with_what_is(region: str) -> None:
    with pytest.raises(rds_roots.UnknownRegionError, match=rf"region '{region}' in rds-roots.pem, .*eu-central-1"):
        rds_roots.roots(region)
