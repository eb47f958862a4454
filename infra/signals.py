"""What a service is watched by: charts for people who look, alarms that tell those who do not.

Declared by whoever makes the thing that they are about, shown by every environment in its way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pulumi import Input

Dimensions = Mapping[str, "Input[str]"]


@dataclass(frozen=True)
class Series:
    """One line of a chart: a metric of CloudWatch."""

    namespace: str
    metric: str
    dimensions: Dimensions
    statistic: str
    """`Sum`, `Average`, `Maximum`, `p99`, ..."""
    label: str


@dataclass(frozen=True)
class Chart:
    title: str
    series: Sequence[Series]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What is worth telling a person, and when.

    What a gap in the data means is said for each: CloudWatch's own answer, "keep waiting", is right for hardly any.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """

    key: str
    says: str
    """What is wrong, and where to look."""
    series: Mapping[str, Series]
    """One line; or several by the names that `expression` uses."""
    threshold: float
    gap: Literal["breaching", "notBreaching", "ignore", "missing"]
    expression: str | None = None
    below: bool = False
    """Whether it is too little that is wrong; else too much."""
    minutes: int = 5
    bad_minutes: int = 3
    """So many of the last `minutes` have to be wrong."""
