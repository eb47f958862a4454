"""Which environment it is: one value, handed on as one."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Environment:
    name: str
    """`dev`, `staging`, `prod`."""
    prefix: str
    """`shop-dev`: begins the names of what has one of its own choice. May not have `aws`, `amazon` or `cognito` in it:
    Cognito reserves them."""
    region: str
    """One of `infra.aws.regions`; the partition is `aws` for all of them."""
    account: str
    """Twelve digits."""
    permissions_boundary_arn: str | None
    """The limit of what roles may do (infra/environment.yaml)."""
    protected: bool
    """Nothing that holds data is deleted by accident."""

    @property
    def cluster_arn(self) -> str:
        """Known before the cluster is there."""
        return f"arn:aws:eks:{self.region}:{self.account}:cluster/{self.prefix}"
