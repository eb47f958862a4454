"""`calls` on AWS: by the name of a Service in the cluster, and past the network policies of both sides."""

from pulumi import ResourceOptions

from infra.aws.foundation import Capability
from infra.capabilities.calls.declaration import CallsDeclaration, callers
from infra.contract import Binding, Egress, Pods, url_variable
from infra.kubernetes.pods import PORT, SERVICE_DRAIN_SECONDS


class Calls(Capability):
    def bind(self, spec: CallsDeclaration, opts: ResourceOptions) -> Binding:
        called_by = callers(spec.name, self.on.catalogue)
        callees = [Pods(callee) for callee in spec.calls]
        return Binding(
            variables={url_variable(callee): f"http://{callee}:{PORT}" for callee in spec.calls},
            ingress=[Pods(caller) for caller in called_by],
            egress=[Egress(to=callees, port=PORT)] if callees else [],
            drain_seconds=SERVICE_DRAIN_SECONDS if called_by else 0,
        )
