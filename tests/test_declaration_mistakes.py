"""What a person gets wrong in a service.yaml, and what they are told to write instead."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra import contract
from infra.capabilities.routes.declaration import Route
from infra.declaration import names
from infra.declaration.declaration import Purpose
from infra.local.gateway import routes
from infra.service import catalogue
from infra.service.catalogue import CatalogueError, ServiceSpec

BASE = "name: alpha\nsummary: the first\nlanguage: python\n"


def refusals(folder: Path, text: str, name: str = "alpha") -> list[str]:
    file = folder / "services" / name / "service.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        catalogue.load(folder / "services")
    except CatalogueError as error:
        return [str(each).strip().removeprefix(f"services/{name}/service.yaml: ") for each in error.problems]
    return []


def route(path: str) -> str:
    return f"{BASE}routes: [{{method: GET, path: {path}, public: true}}]\n"


IN_WORDS = {
    "database: postgres": "database: `postgres` is no mapping: write `database: {engine: postgres}`",
    "database: [postgres]": "database: is no mapping: write `database: {engine: postgres}`",
    "database: {engine: postgresql}": "database.engine: `postgresql` is invalid; did you mean `postgres`?",
    "database: {}": "database.engine: is missing: write `engine: postgres`",
    "calls: pricing": "calls: `pricing` is no list: write `calls: [pricing]`",
    "calls:": "calls: is empty: write `calls: [pricing]`, or remove it",
    "calls: [5]": 'calls[0]: `5` is no text: write `"5"`',
    "queue: 5": "queue: `5` is no mapping: write `queue: {max_deliveries: 5, visibility_seconds: 30}`",
    "queue: {visibility_seconds: 60s}": "queue.visibility_seconds: `60s` is no whole number: "
    "write `visibility_seconds: 60`",
    "queue: {visibility_seconds: 1:30}": "queue.visibility_seconds: `1:30` is no whole number: "
    "write `visibility_seconds: 30`",
    "resources: {memory_mib: 256Mi}": "resources.memory_mib: `256Mi` is no whole number: write `memory_mib: 256`",
    "resources: {memory_mib: 1Gi}": "resources.memory_mib: `1Gi` is no whole number: write `memory_mib: 256`",
    "resources: {cpu_millis: 500m}": "resources.cpu_millis: `500m` is no whole number: write `cpu_millis: 500`",
    "resources: {cpu_millis: 0.5}": "resources.cpu_millis: `0.5` is no whole number: write `cpu_millis: 100`",
    "scale: {min: '2'}": "scale.min: `2` is no whole number: write `min: 2`",
    "scale: {min: 08}": "scale.min: `08` is no whole number: write `min: 8`",
    "scale: {min: 0}": "scale.min: `0` is too small: at least 1",
    "scale: {max: 101}": "scale.max: `101` is too large: at most 100",
    "identity: true": "identity: `true` is invalid; known: admin",
    "scopes: [read]": "scopes: is no mapping: write `scopes: {read: Read your orders}`",
    "scopes: {read: }": 'scopes.read: is empty: write `read: "..."`, or remove it',
    "scopes: {Read: x}": "scopes.Read: `Read` is no scope: declared as `read`, used as `<service>/read`",
    "routes: [GET /a]": "routes[0]: `GET /a` is no mapping: "
    'write `{method: GET, path: "/orders/{id}", scopes: [orders/read]}`',
    "routes: [{method: get, path: /a, public: true}]": "routes[0].method: `get` is invalid; did you mean `GET`?",
    "routes: [{method: GET, path: /a, public: yes}]": "routes[0].public: `yes` is neither true nor false, or has "
    "quotes: write `public: true`",
    "routes: [{method: GET, path: /a, scopes: alpha/read}]\nscopes: {read: x}": "routes[0].scopes: `alpha/read` is no "
    "list: write `scopes: [alpha/read]`",
    "routes: [{method: GET, path: /a/{id}, public: true}]": "is no readable YAML: a `{` is not closed, or opens a "
    'mapping in a text: put a text with a brace in quotes, `path: "/orders/{id}"` (line 4)',
    "routes:\n- method: GET\n  path: {id}\n  public: true": 'routes[0].path: is no text: write `path: "/orders/{id}"`',
    "queue:\n\tmax_deliveries: 3": "is no readable YAML: there is a tab: indent with spaces (line 5)",
    "calls: [pricing": "is no readable YAML: a `[` is not closed: write `[first, second]` (line 5)",
    "calls: 'pricing": "is no readable YAML: a quote is not closed: add the other one (line 5)",
    "calls: @x": "is no readable YAML: a text that begins with a special character needs quotes (line 4)",
    "calls: *": "is no readable YAML: a text that begins with a special character needs quotes (line 4)",
    "calls: *x": "is no readable YAML: a text that begins with a special character needs quotes (line 4)",
    "calls: !x y": "is no readable YAML: a `!` begins a tag: put the text in quotes (line 4)",
    'calls: ["\\d"]': "is no readable YAML: a backslash in double quotes is an escape: use single quotes (line 4)",
    "about: it: takes": "is no readable YAML: there is a second `: ` in one line: put the text in quotes, or break the "
    "line (line 4)",
    "calls\nqueue: {}": "is no readable YAML: there is a key without a value: write `key: value`, with a blank after "
    "the colon (line 5)",
    "queue:\n    max_deliveries: 3\n  visibility_seconds: 5": "is no readable YAML: the line is not indented as those "
    "around it: align it with them (line 6)",
    "summary: again": "is no readable YAML: the key `summary` stands twice (line 4)",
    "? [a]\n: b": "is no readable YAML: a key has to be a word (line 4)",
    "---\nname: beta": "is no readable YAML: there is a second document: one service is one file, without `---` "
    "between (line 4)",
    "calls: &a [*a]": "is no readable YAML: an alias repeats what it is part of: write it out (line 4)",
    "x: \x07": "is no readable YAML: the character U+0007 has no place in it: remove it (position 52)",
    f"x: {'[' * 1000}": "is no readable YAML: it is nested too deeply",
}


def test_a_mistake_is_answered_with_what_to_write(tmp_path: Path) -> None:
    for line, said in IN_WORDS.items():
        assert refusals(tmp_path, f"{BASE}{line}\n") == [said], line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no fields: begin with `name: <name of the folder>`"),
        ("- alpha", "holds no fields: begin with `name: <name of the folder>`"),
        (BASE.replace("alpha", "5"), 'name: `5` is no text: write `name: "5"`'),
        (BASE.replace("alpha", "2024-13-45"), "name: `2024-13-45` is no DNS label: lower-case letters, digits and"),
        (BASE.replace("the first", "true"), 'summary: `true` is no text: write `summary: "true"`'),
        (BASE.replace("the first", '""'), "summary: `` is too short: at least 1 characters"),
        (BASE.replace("python", "9" * 5000), "language: `" + "9" * 80 + "...` is invalid; known: python, go"),
        (BASE.replace("alpha", r'"\ud800\e[31m"'), r"name: `\ud800\x1b[31m` is no text: write `name: orders`"),
    ],
)
def test_a_document_of_another_kind_is_answered_with_what_to_write(tmp_path: Path, text: str, said: str) -> None:
    assert refusals(tmp_path, text)[0].startswith(said)


def test_what_is_no_text_in_utf_8_and_what_is_no_file_is_said_to_be_so(tmp_path: Path) -> None:
    assert refusals(tmp_path, BASE + "# \udcff") == [
        f"is no text in UTF-8 (byte {len(BASE) + 3}): save it in that encoding"
    ]

    (tmp_path / "services/alpha/service.yaml").unlink()
    (tmp_path / "services/alpha/service.yaml").mkdir()
    with pytest.raises(CatalogueError, match=r"service.yaml: cannot be read: Is a directory"):
        catalogue.load(tmp_path / "services")


def test_a_word_is_a_text_though_an_older_yaml_took_it_for_a_truth(tmp_path: Path) -> None:
    assert refusals(tmp_path, BASE.replace("alpha", "no"), "no") == []
    assert refusals(tmp_path, BASE.replace("alpha", "on"), "on") == []


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_nothing_may_be_written_in_three_ways(tmp_path: Path, nothing: str) -> None:
    assert refusals(tmp_path, f"{BASE}database: {nothing}\ncalls: {nothing}") == [
        "calls: is empty: write `calls: [pricing]`, or remove it"
    ]


PATHS = {
    '"/a/{x+}/b"': "`/a/{x+}/b` goes on after `{x+}`, which takes all that follows: let it be the last",
    '"/a/{x+}/{y+}"': "`/a/{x+}/{y+}` goes on after `{x+}`, which takes all that follows: let it be the last",
    '"/a/{x}/{x}"': "`/a/{x}/{x}` names the variable `x` twice: give each a name of its own",
    '"/a/{x}/{x+}"': "`/a/{x}/{x+}` names the variable `x` twice: give each a name of its own",
    '"/a/{x}.json"': "`/a/{x}.json` has `{x}.json` in it: a variable is a whole segment, of letters, digits and `_`, "
    "as in `/{id}/`",
    '"/a/{}"': "`/a/{}` has `{}` in it: a variable is a whole segment, of letters, digits and `_`, as in `/{id}/`",
    "/a/:id": "`/a/:id` has `:id` in it: a variable is written `{id}`",
    "/a/<int:id>": "`/a/<int:id>` has `<int:id>` in it: a variable is written `{id}`",
    '"/a/${id}"': "`/a/${id}` has `${id}` in it: a variable is written `{id}`",
    "/a/*": "`/a/*` has a `*` in it: what takes all that follows is written `{rest+}`, at the end",
    "/": "`/` is the root, which is no route: name what is there, as in `/orders`",
    "/a/": "`/a/` has a slash at its end or two in a row: write `/a`",
    "/a//b": "`/a//b` has a slash at its end or two in a row: write `/a/b`",
    "a/b": "`a/b` does not begin with a slash: write `/a/b`",
    '"/a?b=c"': "`/a?b=c` has a query in it: a route is chosen by its path alone, and takes any query",
    "/a/..": "`/a/..` has `..` in it, which every client takes away: remove it",
    "/a/b%20c": "`/a/b%20c` has `b%20c` in it: a segment is of letters, digits, `.`, `_` and `-`, with nothing encoded",
    "/a/b~": "`/a/b~` has `b~` in it: a segment is of letters, digits, `.`, `_` and `-`, with nothing encoded",
    "GET /a": "`GET /a` has the method in it: that is the field `method`",
    "https://shop/a": "`https://shop/a` is an address: write what follows the host, as in `/orders/{id}`",
    f"/{'a' * 600}": f"`/{'a' * 600}` has 601 characters: at most 512",
    '"/{x}"': "`/{x}` begins with a variable, and so takes the paths of every service: begin with a word of its own",
    '"/{x+}"': "`/{x+}` begins with a variable, and so takes the paths of every service: begin with a word of its own",
    "/.gateway/a": "`/.gateway/a` begins with `/.gateway`, which is the gateway's own: choose another",
    "/metrics": "`/metrics` begins with `/metrics`, which is for the platform and other services alone: choose another",
    '"/internal/{x}"': "`/internal/{x}` begins with `/internal`, which is for the platform and other services alone: "
    "choose another",
}


def test_a_path_that_the_gateway_would_not_take_is_refused_with(tmp_path: Path) -> None:
    for path, said in PATHS.items():
        assert refusals(tmp_path, route(path)) == [f"routes[0].path: {said}"], path


BUSY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A machine that does other things, too, is no reason to fail."""

SEGMENTS = st.sampled_from(
    ["a", "b-c", "d.e", "f_g", "{x}", "{y}", "{z+}", "{w+}", ".gateway", "", "%20", ":x", "{x}a"]
)


@BUSY
@given(st.lists(SEGMENTS, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts)))
def test_the_gateway_of_the_laptop_takes_every_path_that_is_declared(path: str) -> None:
    try:
        Route(method="GET", path=path, public=True)
    except ValueError:
        return
    routes.RouteTable([("GET", path, None)])


KEYS = st.sampled_from([*ServiceSpec.model_fields, *Route.model_fields, "engine", "min", "max", "<<", "publish"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.binary(max_size=5),
    st.text(max_size=8),
    st.sampled_from(["alpha", "alpha/read", "/a/{id}", "GET", "postgres", "dynamodb", "order.placed", "admin"]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)
)
WHOLE: dict[str, Any] = yaml.safe_load(BASE)
FIELDS = st.dictionaries(KEYS, VALUES, max_size=6)
DOCUMENTS = st.one_of(
    VALUES.map(yaml.safe_dump),
    FIELDS.map(lambda fields: yaml.safe_dump(WHOLE | fields)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.text("{}[]:,-#&*!|>'\"%@` \n\tab08.", max_size=40).map(BASE.__add__),
)


@settings(BUSY, max_examples=min(50, settings().max_examples))
@given(DOCUMENTS)
def test_any_document_is_a_declaration_or_is_refused_and_never_anything_else(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for said in refusals(Path(folder), text):
            assert said.isprintable()
            assert len(said) < 700


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("queue", "who calls it finds it by QUEUE_URL, among its own QUEUE_URL, QUEUE_VISIBILITY_SECONDS"),
        ("topic", "who calls it finds it by TOPIC_URL, among its own TOPIC_ARN"),
        ("table", "who calls it finds it by TABLE_URL, among its own TABLE_NAME"),
        ("database", "who calls it finds it by DATABASE_URL, among its own DATABASE_IAM_AUTH, DATABASE_PASSWORD, "),
        ("token-jwks", "who calls it finds it by TOKEN_JWKS_URL, among its own TOKEN_JWKS_URL"),
        ("aws-endpoint", "who calls it finds it by AWS_ENDPOINT_URL, among its own AWS_ENDPOINT_URL"),
        ("gateway", "is taken by the gateway of the laptop: choose another"),
        ("default", "is taken by the service account that every namespace has: choose another"),
        ("postgres", "is taken by the database server of the laptop: choose another"),
        ("pg-things", "is taken: database servers have a `pg_things` of their own; choose another"),
        ("rdsadmin", "is taken: database servers have a `rdsadmin` of their own; choose another"),
        ("json", "is taken by the module `json` of Python, which its package would hide: choose another"),
    ],
)
def test_a_name_that_something_else_has_is_refused(tmp_path: Path, name: str, said: str) -> None:
    [only] = refusals(tmp_path, BASE.replace("alpha", name) + "database: {engine: postgres}\n", name)

    assert only.startswith(f"name: `{name}` ")
    assert said in only


def test_no_service_that_may_be_called_takes_the_place_of_a_variable_of_its_callers() -> None:
    for name in contract.VARIABLES:
        service = name.removesuffix("_URL").lower().replace("_", "-")
        assert contract.url_variable(service) != name or catalogue.name_taken(service, (), {})


@pytest.mark.parametrize("part", names.OF_PARTS)
def test_a_service_has_no_name_of_a_part_of_another_one(tmp_path: Path, part: str) -> None:
    assert refusals(tmp_path, BASE.replace("alpha", f"alpha-{part}"), f"alpha-{part}") == []

    assert refusals(tmp_path, BASE)[-1].endswith(
        f"name: `alpha-{part}` is taken by {names.OF_PARTS[part]} of `alpha`: choose another"
    )


# The code


def whole_folder(services: Path, name: str, language: str) -> Path:
    """What a service has to have beside its declaration."""
    folder = services / name
    code = {"python": [f"{name}/__main__.py", "pyproject.toml"], "go": [f"cmd/{name}/main.go", "go.mod"]}[language]
    for file in (*code, "Dockerfile"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("")
    (folder / "Dockerfile.dockerignore").write_text(f"*\n!services/{name}/{code[1]}\n**/__pycache__\n")
    (folder / "service.yaml").write_text(BASE.replace("alpha", name).replace("python", language))
    return folder


def of_code(services: Path, purpose: Purpose) -> list[str]:
    try:
        catalogue.load(services, purpose)
    except CatalogueError as error:
        return [str(each).strip() for each in error.problems]
    return []


@pytest.mark.parametrize(
    ("language", "removed", "said"),
    [
        ("python", "alpha/__main__.py", "language: says `python`, and services/alpha/alpha/__main__.py is not there"),
        ("python", "pyproject.toml", "language: says `python`, and services/alpha/pyproject.toml is not there: add it"),
        ("go", "cmd/alpha/main.go", "language: says `go`, and services/alpha/cmd/alpha/*.go is not there: add it"),
        ("go", "go.mod", "language: says `go`, and services/alpha/go.mod is not there: add it"),
    ],
)
def test_a_folder_without_the_code_that_its_language_needs_is_refused_before_it_is_run(
    tmp_path: Path, language: str, removed: str, said: str
) -> None:
    services = tmp_path / "services"
    folder = whole_folder(services, "alpha", language)
    assert of_code(services, "build") == of_code(services, "run") == []

    (folder / removed).unlink()

    [only] = of_code(services, "run")
    assert only.startswith(f"services/alpha/service.yaml: {said}")
    assert only in of_code(services, "build")
    assert catalogue.load(services)  # a declaration by itself is right


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("Dockerfile", "services/alpha/Dockerfile is not there: add it"),
        (
            "Dockerfile.dockerignore",
            "services/alpha/Dockerfile.dockerignore is not there: name in it what the image is made of",
        ),
    ],
)
def test_a_folder_that_no_image_can_be_built_of_is_refused_where_images_are_built(
    tmp_path: Path, file: str, said: str
) -> None:
    services = tmp_path / "services"
    (whole_folder(services, "alpha", "python") / file).unlink()

    assert of_code(services, "build") == [f"services/alpha/service.yaml: {said}"]
    assert of_code(services, "run") == []


def test_an_image_of_files_that_are_not_there_is_refused(tmp_path: Path) -> None:
    services = tmp_path / "services"
    (whole_folder(services, "alpha", "python") / "Dockerfile.dockerignore").write_text("*\n!services/alpha/beta\n")

    assert of_code(services, "build") == [
        "services/alpha/service.yaml: services/alpha/Dockerfile.dockerignore: there is no services/alpha/beta: correct "
        "the path or remove the line"
    ]


def test_what_is_wrong_with_the_code_is_said_together_with_what_is_wrong_with_the_declaration(tmp_path: Path) -> None:
    services = tmp_path / "services"
    folder = whole_folder(services, "alpha", "python")
    (folder / "alpha/__main__.py").unlink()
    (folder / "service.yaml").write_text(BASE + "calls: [beta]\n")

    calls, code = of_code(services, "run")

    assert calls.startswith("services/alpha/service.yaml: calls[0]: `beta` is no service")
    assert code.startswith("services/alpha/service.yaml: language: says `python`")
