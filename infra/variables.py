"""The variables by which a service is told its environment: the contract between services and every environment.

A service reads them and knows nothing else of where it runs (services/chassis/chassis/settings.py and
services/chassis/go/settings.go). Each environment sets these and no others; tests/test_variables.py compares.
"""

OWN = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "DATABASE_IAM_AUTH",
        "DATABASE_PASSWORD",
        "DATABASE_POOL_SIZE",
        "DATABASE_URL",
        "ENVIRONMENT",
        "GOMAXPROCS",
        "HOST",
        "LOG_LEVEL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "PATH",
        "PGSSLROOTCERT",
        "PORT",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "QUEUE_URL",
        "QUEUE_VISIBILITY_SECONDS",
        "SERVICE_NAME",
        "SERVICE_VERSION",
        "SHUTDOWN_SECONDS",
        "TABLE_NAME",
        "TOKEN_AUDIENCE",
        "TOKEN_ISSUER",
        "TOKEN_JWKS_URL",
        "TOPIC_ARN",
        "USER_POOL_ID",
    }
)
"""What a service is told of itself and of what it has. Besides these it is told where each service is that it calls."""


def of_call(callee: str) -> str:
    """The variable that says where a called service is: PRICING_URL."""
    return f"{_prefix(callee)}URL"


def beside(callee: str) -> list[str]:
    """Variables of a caller's own that `of_call` would stand among, or replace: QUEUE_URL and its like for `queue`."""
    return sorted(name for name in OWN if name.startswith(_prefix(callee)))


def _prefix(service: str) -> str:
    return f"{service.upper().replace('-', '_')}_"
