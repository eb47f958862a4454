"""The tool that makes mutants: each kind of change is made, where it is and nowhere else."""

from pathlib import Path
from textwrap import dedent

import pytest

from tests.mutants import of_makefile, of_python, of_yaml, survivors
from tests.mutants.__main__ import all_mutants, mutated_files
from tests.mutants.concern import Concern
from tests.mutants.judge import _failing, _forked
from tests.mutants.mutant import Mutant
from tests.mutants.survivors import Survivor

ROOT = Path(__file__).parent.parent.parent
CONCERN = Concern(ROOT)


def python(source: str) -> dict[str, str]:
    """Change -> the line that it leads to."""
    before = dedent(source).strip().encode()
    found = [each for each in of_python.mutants("it.py", before) if of_python.compiles(each, before)]
    return {each.change: _line(before, each.of(before)) for each in found}


def _line(before: bytes, after: bytes) -> str:
    lines = after.decode().splitlines()
    return next((line.strip() for line in lines if line not in before.decode().splitlines()), "")


@pytest.mark.parametrize(
    ("source", "change", "line"),
    [
        ("f(a=1, b=2)", "drop a=1", "f(b=2)"),
        ("f(a=1, b=2)", "drop b=2", "f(a=1, )"),
        ("f(a=1)", "a=1 -> 2", "f(a=2)"),
        ("f(on=True)", "on=True -> False", "f(on=False)"),
        ('x = f"{a}-log"', 'x = f"{a}-log" -> f"{a}-log-x"', 'x = f"{a}-log-x"'),
        ('x = ("one",)', 'drop "one"', "x = ()"),
        ("x = [a, *b]", "drop *b", "x = [a, ]"),
        ('x = {"a": 1, **b}', "drop **b", 'x = {"a": 1, }'),
        ("f(n.a_ids, n.b_ids)", "n.a_ids -> n.b_ids", "f(n.b_ids, n.b_ids)"),
        ("f(dead.arn, queue.arn)", "dead.arn -> queue.arn", "f(queue.arn, queue.arn)"),
        ("y = a if b else c", "b -> not (b)", "y = a if not (b) else c"),
        ("y = not a", "y = not a -> (a)", "y = (a)"),
        ("y = a and b", "y = a and b -> (a) or (b)", "y = (a) or (b)"),
        ("y = a < 5", "y = a < 5 -> a <= 5", "y = a <= 5"),
        ("y = [x for x in z if x]", "x -> not (x)", "y = [x for x in z if not (x)]"),
        ("def f(a=3): g()", "3 -> 4", "def f(a=4): g()"),
        ("def f(): g()", "drop g()", "def f(): pass"),
        ("may += more", "drop may += more", "pass"),
        ("a: Annotated[int, Field(ge=1)] = 2", "drop ge=1", "a: Annotated[int, Field()] = 2"),
        ('a: Literal["b", "c"]', 'drop "b"', 'a: Literal["c"]'),
    ],
)
def test_a_python_file_is_changed_in_one_place(source: str, change: str, line: str) -> None:
    assert python(source).get(change) == line


def test_what_people_read_and_what_only_describes_is_left_alone() -> None:
    source = '''
        """A module."""
        import it
        def f(a: int = b) -> None:
            """A function."""
            raise ValueError(f"no {a}: {5}")
    '''

    assert python(source) == {}


def test_every_mutant_of_a_file_is_another_file_in_the_place_that_it_names() -> None:
    source = b"class A:\n    def f(self) -> int:\n        return g(1, b=2)\n"
    found = list(of_python.mutants("it.py", source))

    assert {each.place for each in found} == {"A.f"}
    assert len({each.of(source) for each in found}) == len(found) == 3


@pytest.mark.parametrize(
    ("source", "place", "change", "left"),
    [
        ("a: 1\nb: 2\n", "a", "drop a: 1", "b: 2\n"),
        ("a: 1\nb: 2\n", "b", "drop b: 2", "a: 1\n\n"),
        ("a: [x, y]\n", "a[1]", "drop y", "a: [x]\n"),
        ("a:\n  - x\n  - y\n", "a[0]", "drop x", "a:\n  - y\n"),
        ("a: true # or not\n", "a", "true -> false", "a: false # or not\n"),
        ("a: 10\n", "a", "10 -> 11", "a: 11\n"),
        ("if: a == b\n", "if", "a == b with != for ==", "if: a != b\n"),
        ("run: |\n  one\n  two\n", "run", "drop one", "run: |\n\n  two\n"),
        ("a: !Sub 'x'\n", "a", "!Sub 'x' -> !Sub 'x-x'", "a: !Sub 'x-x'\n"),
    ],
)
def test_a_yaml_file_is_changed_in_one_place(source: str, place: str, change: str, left: str) -> None:
    found = [
        each
        for each in of_yaml.mutants("it.yaml", source.encode())
        if each.place == place and of_yaml.is_yaml(each, source.encode())
    ]

    assert {" ".join(each.change.split()): each.of(source.encode()).decode() for each in found}.get(change) == left


def test_of_a_makefile_commands_options_prerequisites_variables_and_conditions_are_changed() -> None:
    source = b'A := b\nifeq ($(A),b)\nendif\nup: setup\n\t@run --yes -m "not slow" $(A)\n'
    found = {each.change: each.of(source).decode().splitlines() for each in of_makefile.mutants("Makefile", source)}

    assert found["A := b -> bx"][0] == "A := bx"
    assert found["ifeq -> ifneq"][1] == "ifneq ($(A),b)"
    assert found["drop setup before it"][3] == "up: "
    assert found['drop @run --yes -m "not slow" $(A)'][4] == "\t@:"
    assert found['drop --yes of @run --yes -m "not slow" $(A)'][4] == '\t@run  -m "not slow" $(A)'
    assert found["not slow -> x"][4] == '\t@run --yes -m "x" $(A)'


def test_every_file_that_is_to_be_mutated_has_mutants_and_a_test_or_a_plan_to_ask() -> None:
    of_golden_plans = ("stacks/", "infra/aws/", "infra/kubernetes/", "infra/local/", "Pulumi.")
    unasked = [
        file
        for file in mutated_files()
        if not file.startswith(of_golden_plans) and any(all_mutants([file])) and not CONCERN.tests(file)
    ]

    assert unasked == []


def test_tests_that_concern_a_file_are_those_nearest_to_it_or_that_name_it() -> None:
    assert "tests/aws/test_network.py" in CONCERN.tests("infra/aws/network.py")
    assert "tests/aws/test_people.py" not in CONCERN.tests("infra/aws/network.py")
    assert "tests/tools/test_workflows.py" in CONCERN.tests(".github/workflows/up.yml")
    assert "tests/aws/test_environment.py" in CONCERN.tests("infra/environment.yaml")


def test_a_survivor_is_known_by_file_place_and_change_and_brackets_are_themselves() -> None:
    mutant = Mutant(file="a.py", place="A.f", change='drop x["y"]', start=0, end=1, replacement="")
    known = [Survivor(file="a.py", place="A.*", change='drop x["y"]', reason="it is so")]

    assert survivors.reason(mutant, known) == "it is so"
    assert survivors.reason(Mutant(**{**vars(mutant), "place": "B.f"}), known) is None


def test_every_survivor_that_is_explained_can_still_be_made() -> None:
    known = survivors.read()
    files = sorted({file for each in known for file in mutated_files() if each.file in (file, "*")})
    made = list(all_mutants(files))

    assert [each for each in known if not any(each.is_of(mutant) for mutant in made)] == []


def test_what_a_fork_says_comes_back_and_one_that_dies_or_never_ends_says_nothing() -> None:
    assert _forked(lambda: "yes") == "yes"
    assert _forked(lambda: str(1 // 0)) == ""
    assert _forked(lambda: _forked(lambda: "", 60) or _never(), 0.2) == ""


def _never() -> str:
    while True:
        pass


def test_the_test_that_fails_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "test_it.py"
    bad.write_text("def test_one(): pass\ndef test_two(): assert False\n")

    assert _forked(lambda: _failing(["-c", str(ROOT / "pyproject.toml"), str(bad)])).endswith("test_two")
