"""API Gateway."""

import json
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from ministack.services import apigateway

from tests.integration.harness.aws.patches.handlers import Answer, Handler, Record, around, given, succeeded

vpc_links: dict[str, Record] = {}


def api_gateway_has_vpc_links() -> None:
    """API Gateway has no VPC links. These are records; what goes through them: data_plane/gateway.py."""

    def wrap(handle: Handler) -> Handler:
        async def handled(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
            if path.startswith("/v2/vpclinks"):
                return _vpc_link(method, path.removeprefix("/v2/vpclinks").strip("/"), json.loads(body or b"{}"))
            return await handle(method, path, headers, body, query)  # type: ignore[no-any-return]

        return handled

    around(apigateway, "handle_request", wrap)


def _vpc_link(method: str, link_id: str, body: Record) -> Answer:
    if method == "POST" and not link_id:
        link_id = uuid4().hex[:6]
        state = {"vpcLinkId": link_id, "vpcLinkStatus": "AVAILABLE", "vpcLinkVersion": "V2"}
        link = {**given(body, "name", "subnetIds", "securityGroupIds", "tags"), **state}
        vpc_links[link_id] = link | {"createdDate": apigateway.time.strftime("%Y-%m-%dT%H:%M:%SZ")}
        return apigateway._apigw_response(vpc_links[link_id], 201)  # type: ignore[no-any-return]
    if method == "GET" and not link_id:
        return apigateway._apigw_response({"items": list(vpc_links.values())})  # type: ignore[no-any-return]
    if link_id not in vpc_links:
        return apigateway._apigw_error("NotFoundException", "Invalid VpcLink ID specified", 404)  # type: ignore[no-any-return]
    if method == "DELETE":
        del vpc_links[link_id]
        return 202, {"Content-Type": "application/json"}, b"{}"
    vpc_links[link_id] |= given(body, "name")
    return apigateway._apigw_response(vpc_links[link_id])  # type: ignore[no-any-return]


def api_gateway_deletes_the_settings_of_one_route() -> None:
    """API Gateway takes DeleteRouteSettings, which a removed route needs, for DeleteStage."""

    def wrap(handle: Handler) -> Handler:
        async def handled(method: str, path: str, headers: Any, body: bytes, query: Any) -> Answer:
            stage_path, found, key = path.partition("/routesettings/")
            if method != "DELETE" or not found:
                return await handle(method, path, headers, body, query)  # type: ignore[no-any-return]
            _, _, api, _, stage = stage_path.strip("/").split("/")
            apigateway._stages[api][unquote(stage)]["routeSettings"].pop(unquote(key), None)
            return 204, {}, b""

        return handled

    around(apigateway, "handle_request", wrap)


def api_gateway_remembers_private_integrations() -> None:
    """API Gateway does not remember an integration's VPC link and the server name that it verifies."""

    def wrap(handle: Handler) -> Handler:
        def handled(api: str, *rest: Any) -> Answer:
            answer: Answer = handle(api, *rest)
            if succeeded(answer):
                integration = apigateway._integrations[api][json.loads(answer[2])["integrationId"]]
                integration |= given(rest[-1], "connectionId", "tlsConfig")
                answer = apigateway._apigw_response(integration, answer[0])
            return answer

        return handled

    around(apigateway, "_create_integration", wrap)
    around(apigateway, "_update_integration", wrap)


def api_gateway_gives_jwt_authorizers_no_payload_version() -> None:
    """API Gateway answers with settings of a Lambda authorizer for a JWT one."""

    def wrap(create: Handler) -> Handler:
        def created(api: str, body: Record) -> Answer:
            answer: Answer = create(api, body)
            if succeeded(answer) and body.get("authorizerType") == "JWT":
                authorizer = apigateway._authorizers[api][json.loads(answer[2])["authorizerId"]]
                for key in ("authorizerPayloadFormatVersion", "authorizerResultTtlInSeconds", "enableSimpleResponses"):
                    del authorizer[key]
                answer = apigateway._apigw_response(authorizer, answer[0])
            return answer

        return created

    around(apigateway, "_create_authorizer", wrap)


PATCHES = (
    api_gateway_has_vpc_links,
    api_gateway_deletes_the_settings_of_one_route,
    api_gateway_remembers_private_integrations,
    api_gateway_gives_jwt_authorizers_no_payload_version,
)
