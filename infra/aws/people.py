"""Who may sign in, and what their tokens may allow: Cognito, as infra/local has it (docs/adr/0007)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws.environment import Environment
from infra.contract import ACCESS_TOKEN_MINUTES, PASSWORD_MINIMUM_LENGTH, STAFF, Tokens

REFRESH_TOKEN_DAYS = 30
TIER = "ESSENTIALS"
"""What Cognito gives a new pool. Threat protection (`advanced_security_mode`) is refused below PLUS, which costs 0.02
dollars for each person of a month from the first one on; a pool can change its tier at any time, people stay."""
CLASSIC_SIGN_IN_PAGE = 1
"""A plain HTML form, which `make token` can fill in. Managed login (2) is a JavaScript application."""


@dataclass(frozen=True, kw_only=True)
class PeopleArgs:
    environment: Environment
    scopes: Mapping[str, Mapping[str, str]]
    """Service -> scope -> what the person is asked to agree to. At most 49 scopes: infra/service/quotas.py."""
    callback_urls: Sequence[str]
    """Where a code may be sent: https, or http on localhost or 127.0.0.1."""


class People(pulumi.ComponentResource):
    """A user pool with a group for the staff, a resource server for each service with scopes, a sign-in page, and an
    application without a secret.

    Nobody signs up here: services/users creates people. Cognito honours PKCE but does not insist on it; the
    application has to send it. The sender of mails is Cognito's own, 50 a day. A person gets a password back by e-mail
    only when somebody has set `email_verified`; users leaves it false.
    """

    pool_id: pulumi.Output[str]
    pool_arn: pulumi.Output[str]
    client_id: pulumi.Output[str]
    issuer: pulumi.Output[str]
    jwks_url: pulumi.Output[str]
    tokens: Tokens
    authorize_url: pulumi.Output[str]
    token_url: pulumi.Output[str]

    def __init__(self, name: str, args: PeopleArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:People", name, None, opts)
        pool = self._pool(name, args)
        client = self._application(name, args, pool)
        domain = aws.cognito.UserPoolDomain(
            f"{name}-domain",
            # Unique among all customers of the region, so the account has to be in it.
            domain=f"{args.environment.prefix}-{args.environment.account}",
            user_pool_id=pool.id,
            managed_login_version=CLASSIC_SIGN_IN_PAGE,
            opts=ResourceOptions(parent=self),
        )
        aws.cognito.UserGroup(
            f"{name}-{STAFF}",
            name=STAFF,
            description="May change products and stock",
            user_pool_id=pool.id,
            opts=ResourceOptions(parent=self),
        )
        self.pool_id, self.pool_arn, self.client_id = pool.id, pool.arn, client.id
        self.issuer = pulumi.Output.concat(f"https://cognito-idp.{args.environment.region}.amazonaws.com/", pool.id)
        self.jwks_url = pulumi.Output.concat(self.issuer, "/.well-known/jwks.json")
        pages = pulumi.Output.concat(
            "https://", domain.domain, f".auth.{args.environment.region}.amazoncognito.com/oauth2/"
        )
        self.authorize_url = pulumi.Output.concat(pages, "authorize")
        self.token_url = pulumi.Output.concat(pages, "token")
        self.tokens = Tokens(issuer=self.issuer, audience=self.client_id, jwks_url=self.jwks_url)
        self.register_outputs({"issuer": self.issuer, "client_id": self.client_id})

    def _pool(self, name: str, args: PeopleArgs) -> aws.cognito.UserPool:
        return aws.cognito.UserPool(
            name,
            name=f"{args.environment.prefix}-people",  # a label, unique or not; environments may share an account
            user_pool_tier=TIER,
            username_attributes=["email"],
            username_configuration=aws.cognito.UserPoolUsernameConfigurationArgs(case_sensitive=False),
            admin_create_user_config=aws.cognito.UserPoolAdminCreateUserConfigArgs(allow_admin_create_user_only=True),
            password_policy=aws.cognito.UserPoolPasswordPolicyArgs(
                minimum_length=PASSWORD_MINIMUM_LENGTH,
                require_lowercase=False,
                require_numbers=False,
                require_symbols=False,
                require_uppercase=False,
                temporary_password_validity_days=7,  # Cognito's own default; left out, the provider sends 0
            ),
            account_recovery_setting=aws.cognito.UserPoolAccountRecoverySettingArgs(
                recovery_mechanisms=[
                    aws.cognito.UserPoolAccountRecoverySettingRecoveryMechanismArgs(name="verified_email", priority=1)
                ]
            ),
            auto_verified_attributes=["email"],
            # A new address counts when its owner has shown that it is theirs; until then the old one stands.
            user_attribute_update_settings=aws.cognito.UserPoolUserAttributeUpdateSettingsArgs(
                attributes_require_verification_before_updates=["email"]
            ),
            deletion_protection="ACTIVE" if args.environment.protected else "INACTIVE",
            opts=ResourceOptions(parent=self),
        )

    def _application(self, name: str, args: PeopleArgs, pool: aws.cognito.UserPool) -> aws.cognito.UserPoolClient:
        servers = [
            aws.cognito.ResourceServer(
                f"{name}-{service}",
                identifier=service,
                name=service,
                user_pool_id=pool.id,
                scopes=[
                    aws.cognito.ResourceServerScopeArgs(scope_name=scope, scope_description=text)
                    for scope, text in scopes.items()
                ],
                opts=ResourceOptions(parent=self),
            )
            for service, scopes in args.scopes.items()
            if scopes
        ]
        declared = [f"{service}/{scope}" for service, scopes in args.scopes.items() for scope in scopes]
        return aws.cognito.UserPoolClient(
            f"{name}-app",
            name=f"{args.environment.prefix}-app",
            user_pool_id=pool.id,
            generate_secret=False,
            supported_identity_providers=["COGNITO"],
            callback_urls=list(args.callback_urls),
            allowed_oauth_flows_user_pool_client=True,
            allowed_oauth_flows=["code"],
            allowed_oauth_scopes=["openid", *declared],
            # ADMIN: the users service, and nobody without its permissions, proves a password when it resumes a sign-up.
            explicit_auth_flows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            prevent_user_existence_errors="ENABLED",
            enable_token_revocation=True,
            access_token_validity=ACCESS_TOKEN_MINUTES,
            id_token_validity=ACCESS_TOKEN_MINUTES,
            refresh_token_validity=REFRESH_TOKEN_DAYS,
            token_validity_units=aws.cognito.UserPoolClientTokenValidityUnitsArgs(
                access_token="minutes",  # noqa: S106 (units, no passwords)
                id_token="minutes",  # noqa: S106
                refresh_token="days",  # noqa: S106
            ),
            # Cognito refuses a scope that no resource server has; nothing in the arguments says that they belong.
            opts=ResourceOptions(parent=self, depends_on=servers),
        )
