"""The catalogue: what is refused, and how it is said."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from infra.capabilities.calls.declaration import in_call_order
from infra.capabilities.messages.declaration import publishers, subscriptions
from infra.capabilities.processes.declaration import Scale
from infra.capabilities.routes.declaration import scopes
from infra.service import catalogue
from infra.service.catalogue import CatalogueError

ROOT = Path(__file__).parent.parent

ALPHA = """
    name: alpha
    summary: the first
    language: python
    scopes: {read: Read alpha}
    routes: [{method: GET, path: "/alpha/{id}", scopes: [alpha/read]}]
    database: {engine: postgres}
    publishes: [alpha.made]
"""
BETA = """
    name: beta
    summary: the second
    language: python
    database: {engine: postgres}
    subscribes: [alpha.made]
    calls: [alpha]
"""

Declare = Callable[..., Path]


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """Writes services/<name>/service.yaml for each name given, and returns the folder."""

    def write(**documents: str) -> Path:
        for name, text in documents.items():
            folder = tmp_path / "services" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "service.yaml").write_text(dedent(text))
        return tmp_path / "services"

    return write


def write_code(folder: Path) -> None:
    """The least that a service in Python is made of, and its image."""
    (folder / folder.name).mkdir()
    for file in (f"{folder.name}/__main__.py", "pyproject.toml", "Dockerfile"):
        (folder / file).write_text("")
    (folder / "Dockerfile.dockerignore").write_text(f"*\n!services/{folder.name}/{folder.name}\n")


def refusals(services: Path) -> list[str]:
    with pytest.raises(CatalogueError) as refused:
        catalogue.load(services)
    return [str(problem).strip() for problem in refused.value.problems]


def test_a_valid_catalogue_knows_publishers_subscriptions_scopes_and_call_order(declare: Declare) -> None:
    loaded = catalogue.load(declare(alpha=ALPHA, beta=BETA))

    assert list(loaded.services) == ["alpha", "beta"]
    assert publishers(loaded) == {"alpha.made": "alpha"}
    assert subscriptions(loaded.services["beta"], loaded) == {"alpha": ["alpha.made"]}
    assert scopes(loaded) == ["alpha/read"]
    assert [spec.name for spec in in_call_order(loaded.services)] == ["alpha", "beta"]


def test_a_called_service_comes_before_its_caller_whatever_their_names(declare: Declare) -> None:
    loaded = catalogue.load(
        declare(
            aaa="{name: aaa, summary: a, language: python, calls: [zzz]}",
            zzz="{name: zzz, summary: z, language: python}",
        )
    )

    assert [spec.name for spec in in_call_order(loaded.services)] == ["zzz", "aaa"]


def test_the_catalogue_of_this_repository_is_valid() -> None:
    assert list(catalogue.load(ROOT / "services").services) == [
        "catalog",
        "inventory",
        "notifications",
        "orders",
        "payments",
        "pricing",
        "users",
    ]


@pytest.mark.parametrize(
    ("alpha", "beta", "refused"),
    [
        pytest.param(
            ALPHA.replace("summary", "sumary"),
            BETA,
            [
                "services/alpha/service.yaml: summary: is missing: write `summary: takes orders`",
                "services/alpha/service.yaml: sumary: `sumary` is no key here; did you mean `summary`?",
            ],
            id="an unknown key, with the key that was meant",
        ),
        pytest.param(
            ALPHA.replace("scopes: [alpha/read]}", "scopes: [alpha/read], throttle: {rate: 5}}"),
            BETA,
            [
                "services/alpha/service.yaml: routes[0].throttle.rate: `rate` is no key here; "
                "known: burst, rate_per_second"
            ],
            id="an unknown key deep inside",
        ),
        pytest.param(
            ALPHA,
            BETA.replace("[alpha.made]", "[alpha.maid]"),
            [
                "services/beta/service.yaml: subscribes[0]: `alpha.maid` is published by no service; "
                "did you mean `alpha.made`?"
            ],
            id="an event that nobody publishes",
        ),
        pytest.param(
            ALPHA,
            BETA.replace("subscribes", "publishes"),
            [
                "services/beta/service.yaml: publishes[0]: `alpha.made` is published by `alpha` already: "
                "an event has one source"
            ],
            id="an event with two sources",
        ),
        pytest.param(
            ALPHA,
            BETA.replace("calls: [alpha]", "calls: [alpa]"),
            ["services/beta/service.yaml: calls[0]: `alpa` is no service; did you mean `alpha`?"],
            id="a call to a service that does not exist",
        ),
        pytest.param(
            ALPHA,
            BETA.replace("calls: [alpha]", "calls: [beta]"),
            ["services/beta/service.yaml: calls[0]: `beta` is the service itself: remove it"],
            id="a call to itself",
        ),
        pytest.param(
            ALPHA + "    calls: [beta]\n",
            BETA,
            [
                "services/beta/service.yaml: calls: `alpha -> beta -> alpha` is a cycle of synchronous calls: "
                "replace one of them by an event"
            ],
            id="a cycle of synchronous calls",
        ),
        pytest.param(
            ALPHA,
            BETA + '    routes: [{method: GET, path: "/alpha/{name}", public: true}]\n',
            [
                "services/beta/service.yaml: routes[0]: `GET /alpha/{name}` is a route of `alpha` already "
                "(the name of a variable makes no difference): change one"
            ],
            id="two services on one route",
        ),
        pytest.param(
            ALPHA.replace("[alpha/read]", "[alpha/raed]"),
            BETA,
            [
                "services/alpha/service.yaml: routes[0].scopes: `alpha/raed` is declared by no service; "
                "did you mean `alpha/read`?"
            ],
            id="a scope that is used and never declared",
        ),
        pytest.param(
            ALPHA.replace(", scopes: [alpha/read]", ""),
            BETA,
            [
                "services/alpha/service.yaml: routes[0]: has to name `scopes` that a caller needs, "
                "or say `public: true`; one of the two"
            ],
            id="a route that is neither guarded nor public",
        ),
        pytest.param(
            ALPHA.replace("name: alpha", "name: Alpha_1"),
            BETA.replace("    calls: [alpha]\n", ""),
            [
                "services/alpha/service.yaml: name: `Alpha_1` is no DNS label: lower-case letters, digits and single "
                "hyphens, starting with a letter"
            ],
            id="a name that is no DNS label",
        ),
        pytest.param(
            ALPHA.replace("name: alpha", "name: gamma"),
            BETA,
            ["services/alpha/service.yaml: name: `gamma` has to be the name of its folder: `alpha`"],
            id="a name that is not its folder's",
        ),
        pytest.param(
            ALPHA,
            BETA.replace("    database: {engine: postgres}\n", ""),
            [
                "services/beta/service.yaml: publishes or subscribes without a `database`; outbox and inbox "
                "are kept there: declare one"
            ],
            id="events without a database",
        ),
        pytest.param(
            ALPHA.replace("postgres", "dynamodb"),
            BETA,
            [
                "services/alpha/service.yaml: publishes with a `database` of dynamodb; the outbox needs one that is "
                "`postgres` or `mysql`: take one"
            ],
            id="events out of a table",
        ),
        pytest.param(
            ALPHA.replace("summary: the first", "summary: the first\n    summary: again"),
            BETA.replace("    calls: [alpha]\n", "").replace("    subscribes: [alpha.made]\n", ""),
            [
                "services/alpha/service.yaml: is no readable YAML: the key `summary` stands twice (line 4)",
            ],
            id="one key twice",
        ),
        pytest.param(
            ALPHA,
            BETA + "    scale: {min: 3, max: 2}\n",
            ["services/beta/service.yaml: scale: has min 3 above max 2; min is at most max"],
            id="a scale upside down",
        ),
        pytest.param(
            ALPHA,
            BETA.replace("{engine: postgres}", "{engine: dynamodb, connections: 5}"),
            ["services/beta/service.yaml: database: has `connections`, which dynamodb has none of: leave it out"],
            id="connections to what has none",
        ),
        pytest.param(
            ALPHA,
            BETA + "    scale: {min: many}\n",
            ["services/beta/service.yaml: scale.min: `many` is no whole number: write `min: 2`"],
            id="a value of the wrong type",
        ),
    ],
)
def test_a_wrong_declaration_is_refused_with(declare: Declare, alpha: str, beta: str, refused: list[str]) -> None:
    assert refusals(declare(alpha=alpha, beta=beta)) == refused


def test_all_problems_of_all_files_are_said_at_once(declare: Declare) -> None:
    services = declare(
        alpha=ALPHA.replace("GET", "FETCH"), beta=BETA.replace("made", "unmade").replace("[alpha]", "[x]")
    )

    found = refusals(services)

    assert [line.split(": ")[:2] for line in found] == [
        ["services/alpha/service.yaml", "routes[0].method"],
        ["services/beta/service.yaml", "subscribes[0]"],
        ["services/beta/service.yaml", "calls[0]"],
    ]


def test_a_mistake_does_not_hide_another_one_in_the_same_file(declare: Declare) -> None:
    beta = BETA.replace("summary", "sumary").replace("made", "maid").replace("[alpha]", "[alpa, Alpha]")

    assert refusals(declare(alpha=ALPHA, beta=beta)) == [
        "services/beta/service.yaml: summary: is missing: write `summary: takes orders`",
        "services/beta/service.yaml: calls[1]: `Alpha` is no name of a service: lower-case letters, digits and single "
        "hyphens, starting with a letter",
        "services/beta/service.yaml: sumary: `sumary` is no key here; did you mean `summary`?",
        "services/beta/service.yaml: subscribes[0]: `alpha.maid` is published by no service; "
        "did you mean `alpha.made`?",
        "services/beta/service.yaml: calls[0]: `alpa` is no service; did you mean `alpha`?",
    ]


def test_what_an_invalid_file_declares_is_not_reported_again_by_those_who_use_it(declare: Declare) -> None:
    found = refusals(declare(alpha=ALPHA.replace("language: python", "language: cobol"), beta=BETA))

    assert found == ["services/alpha/service.yaml: language: `cobol` is invalid; known: python, go"]


def test_a_wrong_field_hides_neither_what_it_asks_of_others_nor_what_they_ask_of_it(declare: Declare) -> None:
    alpha = ALPHA.replace("summary: the first", "scale: {min: 5, max: 2}").replace(", scopes: [alpha/read]", "")
    beta = BETA.replace("language: python", "language: cobol").replace("    database: {engine: postgres}\n", "")
    beta += """
    publishes: [alpha.made, beta.made, beta.made]
    routes:
      - {method: GET, path: "/alpha/{other}", public: true}
      - {method: fetch, path: /beta, public: true, scopes: [alpha/read]}
    """
    gamma = "name: delta\nlanguage: 5\nsummary: x\ncalls: [beta]\n"

    found = refusals(declare(alpha=alpha + "    calls: [gamma]\n", beta=beta, gamma=gamma))

    assert found == [
        "services/alpha/service.yaml: summary: is missing: write `summary: takes orders`",
        "services/alpha/service.yaml: routes[0]: has to name `scopes` that a caller needs, or say `public: true`; "
        "one of the two",
        "services/alpha/service.yaml: scale: has min 5 above max 2; min is at most max",
        "services/beta/service.yaml: routes[1].method: `fetch` is invalid; did you mean `PATCH`?",
        "services/beta/service.yaml: language: `cobol` is invalid; known: python, go",
        "services/beta/service.yaml: routes[1]: has to name `scopes` that a caller needs, or say `public: true`; "
        "one of the two",
        "services/beta/service.yaml: routes[0]: `GET /alpha/{other}` is a route of `alpha` already (the name of a "
        "variable makes no difference): change one",
        "services/beta/service.yaml: publishes or subscribes without a `database`; outbox and inbox are kept there: "
        "declare one",
        "services/beta/service.yaml: publishes[2]: `beta.made` stands twice: once is enough",
        "services/beta/service.yaml: publishes[0]: `alpha.made` is published by `alpha` already: an event has one "
        "source",
        "services/beta/service.yaml: calls: `alpha -> gamma -> beta -> alpha` is a cycle of synchronous calls: replace "
        "one of them by an event",
        "services/gamma/service.yaml: language: `5` is invalid; known: python, go",
        "services/gamma/service.yaml: name: `delta` has to be the name of its folder: `gamma`",
    ]


@pytest.mark.parametrize("text", ["name:\n\talpha", "name: [", "- alpha", ""], ids=["a tab", "a bracket", "a list", ""])
def test_a_file_that_cannot_be_read_is_one_problem_and_not_one_for_everybody_who_refers_to_it(
    declare: Declare, text: str
) -> None:
    beta = BETA + '    routes: [{method: GET, path: "/beta", scopes: [alpha/read]}]\n'

    [only] = refusals(declare(alpha=text, beta=beta))

    assert only.startswith("services/alpha/service.yaml: ")


@pytest.mark.parametrize(
    ("was", "stands"),
    [("publishes: [alpha.made]", "publish: [alpha.made]"), ("publishes: [alpha.made]", "publishes: alpha.made")],
    ids=["a misspelled key", "a text for a list"],
)
def test_what_a_misspelled_field_says_is_known_all_the_same(declare: Declare, was: str, stands: str) -> None:
    [only] = refusals(declare(alpha=ALPHA.replace(was, stands), beta=BETA))

    assert only.startswith("services/alpha/service.yaml: publish")


@pytest.mark.parametrize("name", ["service.yml", "Service.yaml", "services.yaml"])
def test_a_declaration_of_a_similar_name_is_not_passed_over(declare: Declare, name: str) -> None:
    services = declare(alpha=ALPHA, beta=BETA)
    (services / "alpha/service.yaml").rename(services / "alpha" / name)

    assert refusals(services)[0] == f"services/alpha/{name}: has to be named `service.yaml`: rename it"


def test_an_empty_folder_is_refused_with_the_file_to_make(tmp_path: Path) -> None:
    assert refusals(tmp_path) == [
        f"{tmp_path}: service.yaml: no service is declared here: make {tmp_path}/<name>/service.yaml"
    ]


def test_the_committed_schema_is_the_one_of_the_models_and_every_declaration_points_to_it() -> None:
    assert (ROOT / "infra/service.schema.json").read_text() == catalogue.schema()
    for file in (ROOT / "services").glob("*/service.yaml"):
        assert file.read_text().startswith("# yaml-language-server: $schema=../../infra/service.schema.json\n"), file


def test_the_command_line_exits_1_and_prints_every_problem(declare: Declare) -> None:
    services = declare(alpha=ALPHA, beta=BETA.replace("[alpha]", "[x]"))
    for name in ("alpha", "beta"):
        write_code(services / name)

    done = subprocess.run(
        [sys.executable, "-m", "infra.service.catalogue"], cwd=services.parent, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "catalogue: The catalogue has 1 problem; nothing was touched.",
        "  services/beta/service.yaml: calls[0]: `x` is no service; known: alpha",
    ]


@pytest.mark.parametrize(
    ("idle", "most", "bounded"),
    [
        (None, None, (2, 10)),
        (1, None, (1, 10)),
        (5, None, (2, 10)),
        (None, 4, (2, 4)),
        (None, 1, (1, 1)),
        (1, 1, (1, 1)),
    ],
)
def test_an_environment_may_bound_how_many_processes_there_are(
    idle: int | None, most: int | None, bounded: tuple[int, int]
) -> None:
    scale = Scale(min=2, max=10, cpu_percent=60).bounded(idle, most)

    assert (scale.min, scale.max, scale.cpu_percent) == (*bounded, 60)
