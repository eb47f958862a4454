"""A certificate authority of the tests', and certificates of servers."""

import ipaddress
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAYS = 30
CERTIFICATE, KEY = "authority.pem", "authority.key"
SERVER_CERTIFICATE, SERVER_KEY = "server.pem", "server.key"


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Lives in a folder, so that processes can share it, and images that trust it need not be built anew."""

    folder: Path

    @property
    def certificate(self) -> str:
        """PEM."""
        return (self.folder / CERTIFICATE).read_text()

    def issue(self, *names: str) -> tuple[str, str]:
        """The certificate and the key, both PEM, of a server with these names and addresses."""
        issuer = x509.load_pem_x509_certificate(self.certificate.encode())
        signer = serialization.load_pem_private_key((self.folder / KEY).read_bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        built = (
            _of("a server of the shop's tests")
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, hashes.SHA256())
        )
        return built.public_bytes(serialization.Encoding.PEM).decode(), _pem(key)


def authority(folder: Path) -> Authority:
    """The one of the folder, made when there is none that is good for some time to come."""
    found = Authority(folder=folder)
    if not _is_good(folder / CERTIFICATE):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        name = f"shop tests {secrets.token_hex(4)}"  # each its own, as a chain is looked up by name
        made = (
            _of(name)
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_SIGNS, critical=True)
            .sign(key, hashes.SHA256())
        )
        (folder / KEY).touch(mode=0o600)
        (folder / KEY).write_text(_pem(key))
        (folder / CERTIFICATE).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return found


def issue(folder: Path) -> None:
    """Puts an authority into the folder, and SERVER_CERTIFICATE with SERVER_KEY of a server at 127.0.0.1."""
    certificate, key = authority(folder).issue("127.0.0.1")
    (folder / SERVER_CERTIFICATE).write_text(certificate)
    (folder / SERVER_KEY).touch(mode=0o600)
    (folder / SERVER_KEY).write_text(key)


_SIGNS = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _is_good(certificate: Path) -> bool:
    if not certificate.exists():
        return False
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return found.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)


def _of(name: str) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=DAYS))
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
