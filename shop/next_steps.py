"""What to do next, once a stack is up: `python -m shop.next_steps [stack]`."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from infra.command_line import CommandError, run
from shop.checkout import forget_outputs

ORDER = {"lines": [{"sku": "TEA-GREEN-100", "quantity": 2}]}
EMAIL, PASSWORD = "bob@example.com", "a-long-enough-password"


def main(stack: str = "local") -> None:
    forget_outputs(stack)  # another service has brought scopes that a token may have
    printed = subprocess.run(["pulumi", "stack", "output", "--json", "-s", stack], check=True, stdout=subprocess.PIPE)
    outputs = json.loads(printed.stdout)
    if "url" not in outputs:
        raise CommandError(f"the stack {stack} is not up: it has no output `url`")
    print(steps(stack, outputs))


def steps(stack: str, outputs: Mapping[str, Any]) -> str:
    url, local = outputs["url"], stack == "local"
    named, option = ("", "") if local else (f" STACK={stack}", f" --stack {stack}")
    shop = ".venv/bin/python -m shop"
    person = json.dumps({"email": EMAIL, "password": PASSWORD, "name": "Bob"})
    missing = "".join(
        f"\n{name} does not run: {reason}. Everything else does; orders have list prices, and say so.\n"
        for name, reason in outputs.get("missing", {}).items()
    )
    seen = f"Logs: {outputs['logs']}" if "logs" in outputs else f"Cluster: {outputs['kubeconfig']}"
    dashboard = f"\nDashboard: {outputs['dashboard']}" if "dashboard" in outputs else ""
    return f"""
The shop is up: {url}
{missing}
  1. fill the shelves (make seed{named} ORDERS=20 brings customers, too)
     make seed{named}

  2. buy something, and see it through
     {shop} sign-up ada@example.com --name Ada{option}
     {shop} browse tea{option}
     {shop} order TEA-GREEN-100=2{option}
     {shop} log{option}

  3. the same by hand: sign up, get a token (OAuth 2.0, authorization code with PKCE; good for an hour), order, look
     curl -s {url}/users -H 'Content-Type: application/json' -d '{person}'
     TOKEN=$(make -s token EMAIL={EMAIL} PASSWORD={PASSWORD}{named})
     curl -s {url}/orders -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: order-1" \\
       -H 'Content-Type: application/json' -d '{json.dumps(ORDER)}'
     curl -s {url}/notifications -H "Authorization: Bearer $TOKEN"

{seen}    Down: make down{named}    Pulumi in this shell: eval "$(make -s env{named})"{dashboard}"""


if __name__ == "__main__":
    run("next steps", lambda: main(*sys.argv[1:]))
