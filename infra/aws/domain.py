"""A domain of one's own before the gateway."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions


@dataclass(frozen=True, kw_only=True)
class DomainArgs:
    domain: str
    """`api.shop.example`."""
    zone_id: pulumi.Input[str]
    """The public hosted zone of Route 53 that the domain lies in."""


class Domain(pulumi.ComponentResource):
    """A certificate, the gateway's name and its address. The same certificate serves the internal load balancer, as
    `internal.<domain>`: that name has no address, the gateway finds the balancer by its ARN and checks the name only.
    """

    domain: str
    internal_name: str
    """What the load balancer's certificate says, for `ApiArgs.verify_server_name`."""
    certificate_arn: pulumi.Output[str]
    """Known when the certificate is issued."""
    domain_name: pulumi.Output[str]
    """The gateway's custom domain name: known when it is there."""

    def __init__(self, name: str, args: DomainArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Domain", name, None, opts)
        self.domain, self.internal_name = args.domain, f"internal.{args.domain}"
        self.certificate_arn = self._certificate(name, args)
        gateway = aws.apigatewayv2.DomainName(
            name,
            domain_name=args.domain,
            domain_name_configuration=aws.apigatewayv2.DomainNameDomainNameConfigurationArgs(
                certificate_arn=self.certificate_arn, endpoint_type="REGIONAL", security_policy="TLS_1_2"
            ),
            opts=ResourceOptions(parent=self),
        )
        self.domain_name = gateway.id
        target = gateway.domain_name_configuration
        aws.route53.Record(
            name,
            zone_id=args.zone_id,
            name=args.domain,
            type="A",
            aliases=[
                aws.route53.RecordAliasArgs(
                    name=target.apply(lambda each: each.target_domain_name or ""),
                    zone_id=target.apply(lambda each: each.hosted_zone_id or ""),
                    evaluate_target_health=False,  # there is no second place to send people to
                )
            ],
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({"certificate_arn": self.certificate_arn})

    def _certificate(self, name: str, args: DomainArgs) -> pulumi.Output[str]:
        certificate = aws.acm.Certificate(
            name,
            domain_name=args.domain,
            subject_alternative_names=[self.internal_name],
            validation_method="DNS",
            opts=ResourceOptions(parent=self),
        )
        options = certificate.domain_validation_options
        proofs = [
            aws.route53.Record(
                f"{name}-proof-{index}",
                zone_id=args.zone_id,
                name=options[index].resource_record_name,
                type=options[index].resource_record_type,
                records=[options[index].resource_record_value],
                ttl=300,
                allow_overwrite=True,  # the record is the same for each certificate of a name in an account
                opts=ResourceOptions(parent=self),
            )
            for index in range(2)  # one for each name of the certificate
        ]
        return aws.acm.CertificateValidation(
            name,
            certificate_arn=certificate.arn,
            validation_record_fqdns=[proof.fqdn for proof in proofs],
            opts=ResourceOptions(parent=self),
        ).certificate_arn
