"""A relational `database` on the laptop: one on the server of its engine, with a password of its own."""

import pulumi
from pulumi import Output, ResourceOptions

from infra.capabilities.database.declaration import DatabaseDeclaration
from infra.contract import MIGRATE, MIGRATION, NOTHING, Binding, Task
from infra.local.databases import Database
from infra.local.foundation import Capability

SCHEMES = {"postgres": "postgresql", "mysql": "mysql"}


class Databases(Capability):
    def bind(self, spec: DatabaseDeclaration, parent: pulumi.Resource) -> Binding:
        engine = spec.relational_engine
        if engine is None or spec.database is None:
            return NOTHING
        name, server = spec.module, self.on.platform.servers[engine]
        up = ResourceOptions(parent=parent, depends_on=[server.process])
        database = Database(name, server.cluster, server.port, up)
        return Binding(
            variables={
                "DATABASE_URL": Output.format("{0}://{1}@127.0.0.1:{2}/{1}", SCHEMES[engine], name, server.port),
                "DATABASE_PASSWORD": database.password,
                "DATABASE_POOL_SIZE": str(spec.database.connections),
            },
            tasks=[Task(name=MIGRATION, arguments=(MIGRATE,))],
        )
