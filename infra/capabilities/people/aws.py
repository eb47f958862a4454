"""`identity: admin` on AWS: the calls of services/users/users/identities.py on the environment's user pool."""

from pulumi import Input, ResourceOptions

from infra.aws.foundation import Capability
from infra.capabilities.people.declaration import PeopleDeclaration
from infra.contract import NOTHING, Binding, Statement


class People(Capability):
    def bind(self, spec: PeopleDeclaration, opts: ResourceOptions) -> Binding:
        if spec.identity != "admin":
            return NOTHING
        people = self.on.people
        return Binding(variables={"USER_POOL_ID": people.pool_id}, statements=administer_people(people.pool_arn))


def administer_people(pool_arn: Input[str]) -> list[Statement]:
    """To make people in a user pool."""
    actions = [
        "cognito-idp:AdminCreateUser",
        "cognito-idp:AdminDeleteUser",
        "cognito-idp:AdminGetUser",
        "cognito-idp:AdminInitiateAuth",
        "cognito-idp:AdminSetUserPassword",
    ]
    return [Statement(actions=actions, resources=[pool_arn])]
