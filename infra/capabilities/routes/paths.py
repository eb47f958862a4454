"""What a path of a route may be: what API Gateway takes, less what would reach paths that are nobody's business.

An HTTP API takes literals and whole-segment variables, one greedy variable at the end, and no slash after that.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
What a segment may consist of is documented for the other kind of API alone: `^(\\{[\\w.:-]+\\+?\\}|[a-zA-Z0-9.:_-]+)$`
(https://github.com/aws/aws-lambda-dotnet/pull/1911). Here it is a bit less: a colon is somebody else's variable.
"""

import re

LITERAL = r"[A-Za-z0-9._-]+"
VARIABLE = r"\{[A-Za-z][A-Za-z0-9_]*\}"
GREEDY = r"\{[A-Za-z][A-Za-z0-9_]*\+\}"
PATTERN = rf"^/{LITERAL}(/({LITERAL}|{VARIABLE}))*(/{GREEDY})?$"
"""For editors; `checked` says what is wrong, and knows more."""

OF_EVERY_SERVICE = frozenset({"internal", "livez", "metrics", "openapi.json", "readyz"})
"""First segments of what a service answers to the platform and to other services, and not to the world."""
OF_THE_GATEWAY = frozenset({".gateway"})
"""Of the laptop's gateway, for its own readiness."""

LONGEST = 512


def checked(path: str) -> str:
    """The path itself. Raises ValueError that says what to write instead."""
    if remedy := _wrong(path):
        raise ValueError(f"`{path}` {remedy}")
    return path


def _wrong(path: str) -> str | None:
    if remedy := _whole(path):
        return remedy
    segments = path[1:].split("/")
    for position, segment in enumerate(segments):
        if remedy := _segment(segment, is_last=position == len(segments) - 1):
            return remedy
    names = [segment.strip("{+}") for segment in segments if segment.startswith("{")]
    if twice := [name for name in names if names.count(name) > 1]:
        return f"names the variable `{twice[0]}` twice: give each a name of its own"
    return _first(segments[0])


def _whole(path: str) -> str | None:
    if re.match(r"(GET|POST|PUT|PATCH|DELETE|ANY)\s", path, re.IGNORECASE):
        return "has the method in it: that is the field `method`"
    if "://" in path:
        return "is an address: write what follows the host, as in `/orders/{id}`"
    if not path.strip("/"):
        return "is the root, which is no route: name what is there, as in `/orders`"
    if len(path) > LONGEST:
        return f"has {len(path)} characters: at most {LONGEST}"
    if not path.startswith("/"):
        return f"does not begin with a slash: write `/{path}`"
    if "?" in path or "#" in path:
        return "has a query in it: a route is chosen by its path alone, and takes any query"
    if re.search("//|/$", path):
        tidy = re.sub("/+", "/", path).rstrip("/")
        return f"has a slash at its end or two in a row: write `{tidy}`"
    return None


def _segment(segment: str, is_last: bool) -> str | None:
    if re.fullmatch(GREEDY, segment):
        return None if is_last else f"goes on after `{segment}`, which takes all that follows: let it be the last"
    if re.fullmatch(VARIABLE, segment):
        return None
    foreign = re.fullmatch(r":([A-Za-z]\w*)|<(?:\w+:)?([A-Za-z]\w*)>|\$\{?([A-Za-z]\w*)\}?", segment)
    if foreign:
        return f"has `{segment}` in it: a variable is written `{{{next(filter(None, foreign.groups()))}}}`"
    if segment in ("*", "**"):
        return "has a `*` in it: what takes all that follows is written `{rest+}`, at the end"
    if "{" in segment or "}" in segment:
        return f"has `{segment}` in it: a variable is a whole segment, of letters, digits and `_`, as in `/{{id}}/`"
    if segment in (".", ".."):
        return f"has `{segment}` in it, which every client takes away: remove it"
    if not re.fullmatch(LITERAL, segment):
        return f"has `{segment}` in it: a segment is of letters, digits, `.`, `_` and `-`, with nothing encoded"
    return None


def _first(segment: str) -> str | None:
    if segment.startswith("{"):
        return "begins with a variable, and so takes the paths of every service: begin with a word of its own"
    if segment in OF_THE_GATEWAY:
        return f"begins with `/{segment}`, which is the gateway's own: choose another"
    if segment in OF_EVERY_SERVICE:
        return f"begins with `/{segment}`, which is for the platform and other services alone: choose another"
    return None
