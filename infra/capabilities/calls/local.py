"""`calls` on the laptop: by a port on loopback."""

import pulumi

from infra.capabilities.calls.declaration import CallsDeclaration
from infra.contract import Binding, url_variable
from infra.local.foundation import Capability


class Calls(Capability):
    def bind(self, spec: CallsDeclaration, parent: pulumi.Resource) -> Binding:
        return Binding(variables={url_variable(callee): self.on.addresses[callee] for callee in spec.calls})
