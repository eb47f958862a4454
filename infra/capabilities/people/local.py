"""`identity: admin` on the laptop, whose emulator lets everybody do everything."""

import pulumi

from infra.capabilities.people.declaration import PeopleDeclaration
from infra.contract import NOTHING, Binding
from infra.local.foundation import Capability


class People(Capability):
    def bind(self, spec: PeopleDeclaration, parent: pulumi.Resource) -> Binding:
        if spec.identity != "admin":
            return NOTHING
        return Binding(variables={"USER_POOL_ID": self.on.people.pool_id})
