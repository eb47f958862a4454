"""What to do next, once a stack is up: `python tools/next_steps.py [stack]`."""

import json
import subprocess
import sys

ORDER = {"lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": {"amount": 450, "currency": "EUR"}}]}
EMAIL, PASSWORD = "ada@example.com", "a-long-enough-password"


def main(stack: str = "local") -> None:
    printed = subprocess.run(["pulumi", "stack", "output", "--json", "-s", stack], check=True, capture_output=True)
    outputs = json.loads(printed.stdout)
    url, named = outputs["url"], "" if stack == "local" else f" STACK={stack}"
    last = f'Down: make down{named}    Pulumi in this shell: eval "$(make -s env{named})"'
    seen = f"Logs: {outputs['logs']}" if "logs" in outputs else f"Cluster: {outputs['kubeconfig']}"
    person = json.dumps({"email": EMAIL, "password": PASSWORD, "name": "Ada"})
    print(
        f"""
The shop is up: {url}

  1. sign up
     curl -s {url}/users -H 'Content-Type: application/json' -d '{person}'

  2. get a token (OAuth 2.0, authorization code with PKCE; good for an hour)
     TOKEN=$(make -s token EMAIL={EMAIL} PASSWORD={PASSWORD}{named})

  3. place an order
     curl -s {url}/orders -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: order-1" \\
       -H 'Content-Type: application/json' -d '{json.dumps(ORDER)}'

  4. see what happened
     curl -s {url}/notifications -H "Authorization: Bearer $TOKEN"

{seen}    {last}"""
    )
    if "dashboard" in outputs:
        print(f"Dashboard: {outputs['dashboard']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
