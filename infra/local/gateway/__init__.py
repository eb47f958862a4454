"""The edge of the local environment: what an AWS API Gateway HTTP API with a JWT authorizer does, on a laptop.

    python -m infra.local.gateway --config FILE        with HOST, PORT and SHUTDOWN_SECONDS in the environment

The modules, in the order a request meets them: `app` (the steps), `routes` (which route), `tokens` (who calls),
`throttle` (how often), `proxy` (the service's answer), `problems` (the refusals), `access_log`. `config` is the route
table that the catalogue writes. `GET /.gateway/ready` answers 200 from the moment the gateway serves; no route can
have that path.

Where it is more than the original, and nothing in the system may depend on it: refusals are problem+json around API
Gateway's own `message`, a 429 carries Retry-After, and answers are streamed.
"""
