"""`database: {engine: dynamodb}` on the laptop: a table of the emulator."""

import pulumi
from pulumi import ResourceOptions

from infra.capabilities.table.declaration import TableDeclaration
from infra.contract import NOTHING, Binding
from infra.local.foundation import Capability
from infra.local.tables import Table


class Tables(Capability):
    def bind(self, spec: TableDeclaration, parent: pulumi.Resource) -> Binding:
        if not spec.has_table:
            return NOTHING
        platform = self.on.platform
        up = ResourceOptions(parent=parent, depends_on=[platform.emulator])
        table = Table(f"{self.on.prefix}-{spec.name}", platform.endpoint, up)
        return Binding(variables={"TABLE_NAME": table.name})
