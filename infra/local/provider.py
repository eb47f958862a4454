"""What every resource of the laptop has in common: it is made sure of, never assumed.

`diff` looks at the real thing as well as at the declaration, so a plain `pulumi up` repairs what a reboot, a crash or
an impatient hand has taken away; `refresh` notices it too.
"""

import sys
from typing import Any, ClassVar

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from infra.local.errors import Refused, ServerAway

Properties = dict[str, Any]
_PROVIDER = "__provider"


class EnsuringProvider(ResourceProvider):
    """A provider that says how to make sure of a thing, whether it is there, and how to remove it."""

    serialize_as_secret_always = False  # it holds no data of its own

    outputs: ClassVar[tuple[str, ...]] = ()
    """Properties that only `ensure` knows."""

    replaces: ClassVar[tuple[str, ...]] = ("name",)
    """Properties whose change makes it another thing."""

    away: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors that say that the server it lies on does not answer."""

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        """Makes the thing as `inputs` say, adopting what is there. `before` is empty when it is new to the stack.

        Returns:
            a value for each of `outputs`.
        """
        raise NotImplementedError

    def present(self, properties: Properties) -> bool:
        """Whether the thing is there and works."""
        raise NotImplementedError

    def remove(self, properties: Properties) -> None:
        """Removes the thing; that it is gone already is no error."""
        raise NotImplementedError

    def create(self, props: Properties) -> CreateResult:
        return CreateResult(str(props["name"]), {**props, **self._ensured(props, {})})

    def update(self, _id: str, _olds: Properties, _news: Properties) -> UpdateResult:
        return UpdateResult({**_news, **self._ensured(_news, _olds)})

    def diff(self, _id: str, _olds: Properties, _news: Properties) -> DiffResult:
        inputs = [key for key in _news if key != _PROVIDER and key not in self.outputs]
        changed = [key for key in inputs if _olds.get(key) != _news[key]]
        return DiffResult(
            changes=bool(changed) or not self.present(_olds),
            replaces=[key for key in changed if key in self.replaces],
            delete_before_replace=True,
        )

    def read(self, id_: str, props: Properties) -> ReadResult:
        # An empty id tells the engine that the thing is gone.
        return ReadResult(id_, props) if self.present(props) else ReadResult("", {})

    def delete(self, _id: str, _props: Properties) -> None:
        self.remove(_props)

    def _ensured(self, inputs: Properties, before: Properties) -> Properties:
        refusal: Refused
        try:
            return self.ensure(inputs, before)
        except self.away as error:
            refusal = ServerAway(f"`{inputs['name']}` cannot be made, its server does not answer: {error}")
        except Refused as error:
            refusal = error
        sys.tracebacklimit = 0  # pulumi shows what `traceback.format_exc` gives
        raise refusal from None
