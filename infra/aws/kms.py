"""Keys of KMS, as policies speak of them."""

from pulumi import Input, Output


def via_service(service: str, arn: Input[str]) -> Output[str]:
    """The value of `kms:ViaService` for a key that is used through this service, in the region of this ARN."""
    return Output.from_input(arn).apply(lambda text: f"{service}.{text.split(':')[3]}.amazonaws.com")
