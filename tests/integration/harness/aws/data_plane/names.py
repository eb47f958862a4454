"""AWS's own names, by HTTPS: what MiniStack would call by its own host and port, and what asks itself over HTTP."""

import re
from typing import Any

from ministack import app
from ministack.core import iam_actions
from ministack.services import apigateway, cognito, sqs

from tests.integration.harness.aws.data_plane.settings import REGION
from tests.integration.harness.aws.patches.handlers import Answer, Handler, Record, around, succeeded


def api_gateway_answers_by_the_name_of_an_api() -> None:
    """API Gateway knows an API by a name below MINISTACK_HOST only, and names that as its endpoint."""
    app._EXECUTE_API_RE = re.compile(rf"^([a-f0-9]{{8}})\.execute-api\.{re.escape(REGION)}\.amazonaws\.com(?::\d+)?$")

    def wrap(create: Handler) -> Handler:
        def created(data: Record) -> Answer:
            answer: Answer = create(data)
            if not succeeded(answer):
                return answer
            name = apigateway.json.loads(answer[2])["apiId"]
            api = apigateway._apis[name]
            api["apiEndpoint"] = f"https://{name}.execute-api.{REGION}.amazonaws.com"
            return apigateway._apigw_response(api, answer[0])  # type: ignore[no-any-return]

        return created

    around(apigateway, "_create_api", wrap)


def api_gateway_takes_the_keys_of_a_user_pool_from_its_memory() -> None:
    """API Gateway asks itself for them over HTTP, in a thread of a pool that may be full of others who wait."""

    def wrap(fetch: Handler) -> Handler:
        async def fetched(url: str) -> Any:
            pool = url.removesuffix("/.well-known/jwks.json").rpartition("/")[2]
            if cognito._get_pool_unscoped(pool) is None:
                return await fetch(url)
            return apigateway.json.loads(cognito.well_known_jwks(pool)[2])

        return fetched

    around(apigateway, "_fetch_jwks", wrap)


def sqs_names_queues_as_aws_does() -> None:
    """SQS names its own host and port in the URL of a queue."""
    sqs._queue_url_for_account = lambda account, name: f"https://sqs.{REGION}.amazonaws.com/{account}/{name}"


def iam_allows_batches_by_the_action_of_one() -> None:
    """IAM has no actions for batches of SNS and SQS: who may publish may publish ten at once. MiniStack has them."""

    def wrap(extract: Handler) -> Handler:
        def extracted(service: str, *request: Any) -> Any:
            action = extract(service, *request)
            return action.removesuffix("Batch") if action and service in ("sns", "sqs") else action

        return extracted

    around(iam_actions, "extract_iam_action", wrap)


PATCHES = (
    api_gateway_answers_by_the_name_of_an_api,
    api_gateway_takes_the_keys_of_a_user_pool_from_its_memory,
    sqs_names_queues_as_aws_does,
    iam_allows_batches_by_the_action_of_one,
)
