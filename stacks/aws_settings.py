"""The settings of an environment on AWS."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from infra.aws.cidr import MAX_ZONES, subnets
from infra.aws.instance_classes import MEMORY_GIB
from infra.aws.regions import supported
from infra.capabilities.processes.declaration import Scale
from infra.contract import CALLBACK_URL
from infra.declaration.problems import Problem
from stacks.settings import Settings, SettingsError, settings

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Block = Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$")]
Days = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731]
"""How long CloudWatch can keep logs."""


class NetworkSettings(Settings):
    cidr: str = "10.20.0.0/16"
    """Addresses of the VPC: a private block of 16 to 20 bits. It cannot be changed later."""
    zones: Annotated[int, Field(ge=2, le=MAX_ZONES)]
    nat_per_zone: bool
    """One NAT gateway serves all zones, or each has its own: 33 dollars a month each."""
    flow_log_days: Days | None
    """How long the VPC's flow logs are kept; null writes none."""

    @model_validator(mode="after")
    def _divisible(self) -> "NetworkSettings":
        try:
            subnets(self.cidr, self.zones)
        except ValueError as error:
            raise ValueError(f"`{self.cidr}` is no `cidr` for {self.zones} zones: {error}") from None
        return self


class ClusterSettings(Settings):
    version: Annotated[str, StringConstraints(pattern=r"^1\.\d{2}$")] = "1.35"
    reached_from: tuple[Block, ...]
    """Address blocks from which the cluster's API may be reached; none for reach from inside the VPC only."""
    admins: tuple[Annotated[str, StringConstraints(pattern=r"^arn:aws:iam::\d{12}:role/.+$")], ...] = ()
    """IAM roles that may do everything in the cluster, besides the role that deploys."""
    viewers: tuple[Annotated[str, StringConstraints(pattern=r"^arn:aws:iam::\d{12}:role/.+$")], ...] = ()
    """IAM roles that may look at everything in the cluster: who previews."""
    spot: bool
    """Nodes on spare capacity first, on demand only where there is none."""
    burstable: bool
    """Nodes that are cheap while they idle, too."""
    architectures: tuple[Literal["arm64", "amd64"], ...] = ("arm64", "amd64")
    vcpu_limit: Annotated[int, Field(ge=2, le=1000)] = 40
    """All nodes together: the bound of what a mistake can cost."""
    log_days: Days


class DatabaseSettings(Settings):
    shared: bool
    """One instance per engine for all services, with a database and a role each. Cheaper; what it gives up: a service
    that fills the disk or the processor disturbs the others, and all share versions, backups and restores."""
    instance_class: Annotated[str, StringConstraints(pattern=r"^db\.[a-z0-9]+\.[a-z0-9]+$")]
    storage_gib: Annotated[int, Field(ge=20, le=65_536)] = 20
    multi_zone: bool
    backup_days: Annotated[int, Field(ge=1, le=35)]

    @field_validator("instance_class")
    @classmethod
    def _of_known_memory(cls, value: str) -> str:
        if value not in MEMORY_GIB:
            close = difflib.get_close_matches(value, MEMORY_GIB, n=1)
            meant = f"did you mean `{close[0]}`?" if close else "its connections follow from it"
            raise ValueError(f"`{value}` is no class whose memory is known (infra/aws/instance_classes.py); {meant}")
        return value


class ImageSettings(Settings):
    """Where the images come from: exactly one of the three."""

    build: bool = False
    """Build from this checkout and push to repositories of this environment's own."""
    promote_from: (
        Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)?(/[a-z0-9._-]+)+$")] | None
    ) = None
    """`<registry>/<prefix>` of the environment that built this very source; its images are deployed by digest."""
    digests: dict[str, Digest] = {}
    """Image -> digest, in repositories of this environment's own: what a copy or another builder pushed there."""
    kept: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many builds of an image are kept: more than are made while another environment still runs one of them."""
    pull_accounts: tuple[Annotated[str, StringConstraints(pattern=r"^\d{12}$")], ...] = ()
    """Accounts that may pull from this environment's repositories, to promote from them."""

    @model_validator(mode="after")
    def _one_source(self) -> "ImageSettings":
        if [self.build, self.promote_from is not None, bool(self.digests)].count(True) != 1:
            raise ValueError("names one source of images: `build: true`, `promote_from` or `digests`")
        return self


class Domain(Settings):
    name: Annotated[str, StringConstraints(pattern=r"^([a-z0-9-]+\.)+[a-z]{2,}$")]
    zone_id: Annotated[str, StringConstraints(pattern=r"^Z[A-Z0-9]+$")]
    """The public Route 53 zone in which the name lies."""


class ObservabilitySettings(Settings):
    email: str | None = None
    """Who is told about alarms; AWS asks that address for its consent first."""
    log_days: Days
    container_logs: bool
    """What containers print goes to CloudWatch: 0.50 dollars per GB and more."""
    dashboards: bool
    """A dashboard for each service, besides the one of the environment: 3 dollars a month each."""
    traces: bool = True
    """A collector in the cluster takes traces to X-Ray and the services' own metrics to CloudWatch."""


class TargetSettings(Settings):
    """What stands in for AWS: the stack `emulated` only."""

    endpoints: dict[str, str] = {}
    """Service of AWS -> the address that answers for it."""
    authority: Annotated[str, StringConstraints(pattern=r"^-----BEGIN CERTIFICATE-----\n")] | None = None
    """PEM of who signs the certificates of the databases that stand for RDS; none for Amazon's own."""


class AwsSettings(Settings):
    """`Pulumi.<stack>.yaml` of an environment on AWS. `purpose` chooses the defaults: see DEFAULTS."""

    purpose: Literal["development", "production"]
    account: Annotated[str, StringConstraints(pattern=r"^\d{12}$")]
    """The one account that may be touched."""
    region: str = "eu-central-1"
    services: Path = Path("services")
    bounded: bool = True
    """Every role made here has the permissions boundary of infra/environment.yaml, without which the role that deploys
    may make none."""
    protected: bool
    """Nothing that holds data can be deleted before this is switched off."""
    to_be_destroyed: bool = False
    """Production may be without protection, because it is about to be taken down."""
    idle_replicas: Annotated[int, Field(ge=1)] | None
    """No service has more processes than this while there is nothing to do, whatever its `scale.min` says."""
    most_replicas: Annotated[int, Field(ge=1)] | None
    """No service has more processes than this, whatever its `scale.max` says: what a small database takes."""
    network: NetworkSettings
    cluster: ClusterSettings
    databases: DatabaseSettings
    images: ImageSettings
    domain: Domain | None = None
    callback_urls: tuple[str, ...] = (CALLBACK_URL,)
    """Where the sign-in page may send a browser back to."""
    observability: ObservabilitySettings
    quotas: dict[str, int] = {}
    """What AWS has granted beyond its defaults: names as in infra/service/quotas.py."""
    target: TargetSettings = TargetSettings()

    def bounded_scale(self, declared: Scale) -> Scale:
        """The scale of a service in this environment."""
        return declared.bounded(self.idle_replicas, self.most_replicas)

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, values: dict[str, Any]) -> dict[str, Any]:
        # Without a purpose every default would be reported as missing, too.
        return merged(DEFAULTS.get(str(values.get("purpose")), DEFAULTS["development"]), values)

    @field_validator("region")
    @classmethod
    def _supported(cls, value: str) -> str:
        if value not in supported():
            known = ", ".join(supported())
            raise ValueError(f"`{value}` is no region that has it all: {known} (infra/aws/regions.py says why)")
        return value

    @model_validator(mode="after")
    def _safe_in_production(self) -> "AwsSettings":
        if self.purpose == "production":
            databases = self.databases
            wrong = [
                (
                    not (self.protected or self.to_be_destroyed),
                    "`protected: false`: leave it out, or say `to_be_destroyed: true`",
                ),
                (databases.shared, "`databases.shared: true`: every service has an instance of its own"),
                (not databases.multi_zone, "`databases.multi_zone: false`: a zone may fail"),
                (databases.backup_days < SAFE_BACKUP_DAYS, f"`databases.backup_days` below {SAFE_BACKUP_DAYS}"),
                ("0.0.0.0/0" in self.cluster.reached_from, "`cluster.reached_from` the world: name your networks"),
            ]
            if found := [remedy for is_wrong, remedy in wrong if is_wrong]:
                raise ValueError(f"for production this is invalid: {'; '.join(found)}")
        return self


DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "development": {
        "protected": False,
        "idle_replicas": 1,
        "most_replicas": 1,  # with more, the connections of one small instance would not last for another service
        "network": {"zones": 2, "nat_per_zone": False, "flow_log_days": None},
        "cluster": {"spot": True, "burstable": True, "log_days": 7},
        "databases": {"shared": True, "instance_class": "db.t4g.micro", "multi_zone": False, "backup_days": 1},
        "observability": {"log_days": 7, "container_logs": False, "dashboards": False},
    },
    "production": {
        "protected": True,
        "idle_replicas": None,
        "most_replicas": None,
        "network": {"zones": 3, "nat_per_zone": True, "flow_log_days": 90},
        "cluster": {"spot": False, "burstable": False, "log_days": 90},
        "databases": {"shared": False, "instance_class": "db.t4g.medium", "multi_zone": True, "backup_days": 14},
        "observability": {"log_days": 90, "container_logs": True, "dashboards": True},
    },
}
"""All in which the two purposes differ: development is cheap, production is safe. A stack may say otherwise."""

SAFE_BACKUP_DAYS = 7
MISSING = {
    "purpose": "is missing: `development` is cheap, `production` is safe: pulumi config set purpose <one of them>",
    "account": "is missing: the account that may be touched: pulumi config set account <12 digits>",
    "cluster.reached_from": "is missing: from where the cluster's API may be reached: "
    "pulumi config set --path 'cluster.reached_from[0]' <your address>/32",
}
PATTERNS = {
    "account": "is no account: 12 digits, in quotes",
    "reached_from": "is no block of addresses: as in `203.0.113.7/32`",
    "viewers": "is no role: arn:aws:iam::<account>:role/<name>",
    "admins": "is no role: arn:aws:iam::<account>:role/<name>",
    "version": "is no version of Kubernetes: as in `1.35`, in quotes",
    "instance_class": "is no class of instances: as in `db.t4g.micro`",
    "promote_from": "is no registry with a prefix: as in `123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-dev`",
    "digests": "is no digest: sha256: and 64 hexadecimal digits",
    "authority": "is no certificate: PEM, not the name of a file",
}


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` over `defaults`, also inside of mappings."""
    both = dict(defaults)
    for key, value in given.items():
        inner = both.get(key)
        both[key] = merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return both


def aws_settings(stack: str, values: Mapping[str, str]) -> AwsSettings:
    """Raises: SettingsError."""
    read = settings(AwsSettings, stack, values, PATTERNS, MISSING)
    if stack == "prod" and read.purpose != "production":
        remedy = "is invalid for this stack: its purpose is `production`"
        raise SettingsError(stack, [Problem("", "purpose", read.purpose, remedy)])
    return read
