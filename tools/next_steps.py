"""What to do next, once the local system is up."""

import json
import subprocess

ORDER = {"lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": {"amount": 450, "currency": "EUR"}}]}
EMAIL, PASSWORD = "ada@example.com", "a-long-enough-password"


def main() -> None:
    printed = subprocess.run(["pulumi", "stack", "output", "--json", "-s", "local"], check=True, capture_output=True)
    outputs = json.loads(printed.stdout)
    url = outputs["url"]
    person = json.dumps({"email": EMAIL, "password": PASSWORD, "name": "Ada"})
    print(
        f"""
The shop is up: {url}

  1. sign up
     curl -s {url}/users -H 'Content-Type: application/json' -d '{person}'

  2. get a token (OAuth 2.0, authorization code with PKCE; good for an hour)
     TOKEN=$(make -s token EMAIL={EMAIL} PASSWORD={PASSWORD})

  3. place an order
     curl -s {url}/orders -H "Authorization: Bearer $TOKEN" -H "Idempotency-Key: order-1" \\
       -H 'Content-Type: application/json' -d '{json.dumps(ORDER)}'

  4. see what happened
     curl -s {url}/notifications -H "Authorization: Bearer $TOKEN"

Logs: {outputs["logs"]}    Down: make down    Pulumi in this shell: eval "$(make -s env)\""""
    )


if __name__ == "__main__":
    main()
