import pytest
from chassis.settings import BadEnvironmentError, DatabaseUrl, Settings, read
from pydantic import Field, SecretStr

LEAST = {"SERVICE_NAME": "orders", "SERVICE_VERSION": "sha256:1", "ENVIRONMENT": "local"}


@pytest.fixture(autouse=True)
def nothing_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in LEAST.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_what_a_service_does_not_have_is_none(environment: pytest.MonkeyPatch) -> None:
    found = read(Settings)

    assert (found.service_name, found.service_version, found.environment) == ("orders", "sha256:1", "local")
    assert (found.host, found.port, found.log_level, found.shutdown_seconds) == ("127.0.0.1", 8080, "INFO", 20)
    assert found.database_url is None
    assert found.topic_arn is None
    assert found.queue_url is None
    assert found.jwks_url is None


def test_the_audience_is_a_list_with_commas(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TOKEN_ISSUER", "https://issuer.example/pool")
    environment.setenv("TOKEN_AUDIENCE", "web, mobile,")

    assert read(Settings).token_audience == frozenset({"web", "mobile"})


def test_the_keys_are_where_the_issuer_publishes_them_unless_told_otherwise(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TOKEN_ISSUER", "https://issuer.example/pool")
    environment.setenv("TOKEN_AUDIENCE", "web")
    assert read(Settings).jwks_url == "https://issuer.example/pool/.well-known/jwks.json"

    environment.setenv("TOKEN_JWKS_URL", "http://127.0.0.1:9/keys")
    assert read(Settings).jwks_url == "http://127.0.0.1:9/keys"


def test_every_bad_variable_is_named_with_what_is_allowed(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SERVICE_VERSION")
    environment.setenv("ENVIRONMENT", "The Moon")
    environment.setenv("PORT", "70000")
    environment.setenv("TOKEN_ISSUER", "issuer")

    with pytest.raises(BadEnvironmentError) as refused:
        read(Settings)

    assert str(refused.value).splitlines() == [
        "SERVICE_VERSION: Field required",
        "ENVIRONMENT: String should match pattern '^[a-z][a-z0-9-]{0,62}$'",
        "PORT: Input should be less than or equal to 65535",
        r"TOKEN_ISSUER: String should match pattern '^https?://[^\s/]+\S*$'",
    ]


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        (
            {"DATABASE_URL": "postgresql://orders:hunter2@localhost/orders"},
            "DATABASE_URL: must hold no password: that belongs in DATABASE_PASSWORD",
        ),
        (
            {"DATABASE_PASSWORD": "hunter2", "DATABASE_IAM_AUTH": "true"},
            "DATABASE_PASSWORD and DATABASE_IAM_AUTH exclude each other",
        ),
        (
            {"DATABASE_URL": "mysql://stock@localhost/stock", "DATABASE_IAM_AUTH": "true"},
            "DATABASE_IAM_AUTH needs ?ssl-mode=VERIFY_IDENTITY: MySQL is sent the token as it is",
        ),
        (
            {"TOKEN_ISSUER": "https://issuer.example"},
            "TOKEN_AUDIENCE must name at least one client where TOKEN_ISSUER is set",
        ),
    ],
)
def test_variables_that_do_not_fit_together_are_refused(
    environment: pytest.MonkeyPatch, variables: dict[str, str], complaint: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)

    with pytest.raises(BadEnvironmentError) as refused:
        read(Settings)

    assert str(refused.value) == complaint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://orders@db:5432/orders?sslmode=verify-full",
        "mysql://stock@localhost/stock",
        "mysql://stock@db:3306/stock?ssl-mode=VERIFY_IDENTITY",
    ],
)
def test_a_database_is_of_postgresql_or_mysql(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("DATABASE_URL", url)

    assert read(Settings).database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///orders",
        "mysql://stock@localhost",
        "mysql://stock@db/stock?ssl-mode=REQUIRED",
        "mysql://stock@db/stock?sslmode=VERIFY_IDENTITY",
        "mysql://stock@db/stock?ssl-mode=VERIFY_IDENTITY&ssl-mode=DISABLED",
    ],
)
def test_tls_that_proves_nothing_and_other_databases_are_refused(environment: pytest.MonkeyPatch, url: str) -> None:
    environment.setenv("DATABASE_URL", url)

    with pytest.raises(BadEnvironmentError, match="DATABASE_URL: String should match"):
        read(Settings)


def test_a_secret_shows_neither_in_errors_nor_in_a_representation(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_PASSWORD", "hunter2")
    assert "hunter2" not in repr(read(Settings))

    environment.setenv("DATABASE_URL", "postgresql://orders:hunter3@localhost/orders")
    with pytest.raises(BadEnvironmentError) as refused:
        read(Settings)
    assert "hunter" not in repr(refused.value)
    assert refused.value.__suppress_context__


def test_settings_cannot_be_changed(environment: pytest.MonkeyPatch) -> None:
    found = read(Settings)
    with pytest.raises(ValueError, match="frozen"):
        found.port = 1  # type: ignore[misc]


class OwnSettings(Settings):
    database_url: DatabaseUrl
    pricing_url: str = Field(examples=["https://pricing"])
    retries: int = 3
    key: SecretStr | None = None


def test_a_service_declares_what_it_cannot_do_without(environment: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadEnvironmentError) as refused:
        read(OwnSettings)

    assert str(refused.value).splitlines() == ["DATABASE_URL: Field required", "PRICING_URL: Field required"]


def test_placeholders_need_no_environment_and_heed_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "no port")
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    monkeypatch.setenv("RETRIES", "no number")

    found = OwnSettings.placeholder()

    assert found.database_url == "postgresql://service@localhost/service"
    assert found.pricing_url == "https://pricing"
    assert (found.port, found.retries) == (8080, 3)
    assert found.database_password is None
    assert found.topic_arn is not None
