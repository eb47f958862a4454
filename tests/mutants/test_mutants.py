"""The tool that makes mutants: each kind of change is made, where it is and nowhere else."""

from fnmatch import fnmatchcase
from pathlib import Path
from textwrap import dedent
from unittest.mock import patch

import pytest

from tests.mutants import asking, of_makefile, of_python, of_yaml, recording, survivors
from tests.mutants.__main__ import mutated_files
from tests.mutants.concern import Concern
from tests.mutants.forks import forked
from tests.mutants.judge import Verdict
from tests.mutants.kinds import all_mutants
from tests.mutants.mutant import Mutant
from tests.mutants.places import at_import, statement
from tests.mutants.report import Report, at_least, interval
from tests.mutants.survivors import Survivor

ROOT = Path(__file__).parent.parent.parent
CONCERN = Concern(ROOT)


def python(source: str) -> dict[str, str]:
    """Change -> the line that it leads to."""
    before = dedent(source).strip().encode()
    found = [each for each in of_python.mutants("it.py", before) if of_python.is_another(each, before)]
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
        ("f(a, b.c)", "swap a and b.c", "f(b.c, a)"),
        ("f(a=b, c=d)", "swap a=b and c=d", "f(a=d, c=b)"),
        ("x = a + b", "x = a + b -> a", "x = a"),
        ("x = a and b and c", "x = a and b and c -> (a) and (c)", "x = (a) and (c)"),
        ("x = [y for y in z if y]", "y -> True", "x = [y for y in z if True]"),
        ("x = all(y)", "all -> any", "x = any(y)"),
        ('x = f"{a.b_arn} {a.c_arn}"', "a.b_arn -> a.c_arn", 'x = f"{a.c_arn} {a.c_arn}"'),
        ("a.b = c", "drop a.b = c", "pass"),
        ("for a in b:\n    if a: continue\n    f(a)", "drop continue", "if a: pass"),
        ("def f():\n    if a: return b\n    g()", "drop return b", "if a: pass"),
        ("def f():\n    if a: raise E\n    g()", "drop raise E", "if a: pass"),
        ("def f():\n    if a: yield b", "drop yield b", "if a: yield from ()"),
        ('match a:\n    case "b": g()', '"b" -> "b-x"', 'case "b-x": g()'),
        ("class A:\n    @field_validator\n    def f(): g()", "drop @field_validator", ""),
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
        ("Effect: Allow\n", "Effect", "Allow -> Deny", "Effect: Deny\n"),
        ("StringEquals: {a: b}\n", "StringEquals", "StringEquals -> StringLike", "StringLike: {a: b}\n"),
        ("Resource: !Sub x/y\n", "Resource", "!Sub x/y -> *", "Resource: '*'\n"),
        ("Action: [s3:GetObject]\n", "Action[0]", "s3:GetObject -> s3:*", "Action: [s3:*]\n"),
    ],
)
def test_a_yaml_file_is_changed_in_one_place(source: str, place: str, change: str, left: str) -> None:
    found = [
        each
        for each in of_yaml.mutants("it.yaml", source.encode())
        if each.place == place and of_yaml.is_another(each, source.encode())
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


def test_choices_of_a_makefile_are_taken_always_and_never_and_a_command_runs_after_one_that_fails() -> None:
    source = b"CHECKED := one two\nup:\n\t@check && run $(if $(YES),--yes)\n"
    found = {each.change: each.of(source).decode().splitlines() for each in of_makefile.mutants("Makefile", source)}

    assert found["never $(if $(YES),--yes"][2] == "\t@check && run $(if ,--yes)"
    assert found["always $(if $(YES),--yes"][2] == "\t@check && run $(if x,--yes)"
    assert found["; for && in @check && run $(if $(YES),--yes)"][2] == "\t@check ; run $(if $(YES),--yes)"
    assert found["drop one of CHECKED := one two"][0] == "CHECKED :=  two"


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
    made = list(
        all_mutants(ROOT, [file for file in mutated_files() if any(fnmatchcase(file, each.file) for each in known)])
    )

    assert [each for each in known if not any(each.is_of(mutant) for mutant in made)] == []


def test_what_a_fork_says_comes_back_and_one_that_dies_or_never_ends_says_nothing() -> None:
    assert forked(lambda: "yes").said == "yes"
    assert forked(lambda: str(1 // 0)).said == ""
    assert forked(_never, 0.2).said == ""


def _never() -> str:
    while True:
        pass


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for package in recording.MUTATED:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "infra/it.py").write_text(PROGRAM)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["slow", "e2e", "integration"]')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


PROGRAM = """\
A = 1

def one():
    return A

def two():
    return (
        A + 1
    )
"""
TESTS = """\
import sys, pathlib, subprocess
sys.modules.pop("infra.it", None); sys.modules.pop("infra", None)
from infra import it

def test_one(): assert it.one() == 1
def test_two(): assert it.two() == 2 and pathlib.Path("read.yaml").write_text("x")
def test_wrong(): subprocess.run([sys.executable, "-m", "infra.it"]); assert it.one() == 7
"""
OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:timeout", "-c", "pyproject.toml")


def test_what_tests_run_read_and_start_is_recorded_and_those_that_fail_anyhow_are_never_asked(checkout: Path) -> None:
    kept = checkout / "kept"
    kept.mkdir()
    assert forked(lambda: recording.record(kept, "test_it.py", OPTIONS)).said == "recorded"
    recorded = recording.kept(kept, "test_it.py")

    assert recorded.failing == ["test_it.py::test_wrong"]
    assert recorded.running("infra/it.py", range(4, 5)) == {"test_it.py::test_one"}
    assert recorded.running("infra/it.py", statement(PROGRAM.encode(), PROGRAM.index("+"))) == {"test_it.py::test_two"}
    assert recorded.imports("infra/it.py")
    assert "read.yaml" in recorded.read
    assert recorded.started == ["infra.it"]


def test_the_chosen_tests_are_asked_in_their_order_up_to_the_first_that_fails_and_new_ones_too(
    checkout: Path,
) -> None:
    names = ("test_two", "test_one", "test_wrong")
    two, one, wrong = (f"test_it.py::{name}" for name in names)

    def says(tests: list[str], known: set[str]) -> str:
        with patch.object(asking, "OPTIONS", OPTIONS):
            return forked(lambda: asking.failing(["test_it.py"], dict.fromkeys(tests, 0.1), known)).said.strip()

    assert says([one, two], {one, two, wrong}) == ""
    assert says([one], {one, two}) == wrong
    (checkout / "infra/it.py").write_text(PROGRAM.replace("A = 1", "A = 5"))
    assert says([two, one], {one, two, wrong}) == two
    assert says([one, two], {one, two, wrong}) == one


def test_what_runs_at_import_is_told_from_what_a_function_does() -> None:
    source = "A = f(\n    1\n)\ndef g(a=2):\n    if a:\n        return 3\n    h(\n        4\n    )\n"

    at = {number: source.index(str(number)) for number in (1, 2, 3, 4)}
    assert [number for number, where in at.items() if at_import(source.encode(), where)] == [1, 2]
    assert statement(source.encode(), at[3]) == range(6, 7)
    assert statement(source.encode(), at[4]) == range(7, 10)
    assert statement(source.encode(), source.index("if a")) == range(5, 6)


def test_a_program_that_a_test_starts_runs_what_it_imports() -> None:
    assert CONCERN.is_run_by(["infra.local.emulator"], "infra/local/emulator.py")
    assert CONCERN.is_run_by(["infra.local.gateway"], "infra/local/gateway/config.py")
    assert not CONCERN.is_run_by(["infra.local.gateway"], "infra/aws/network.py")


def test_a_share_comes_with_the_bounds_between_which_the_truth_lies() -> None:
    low, high = interval(97, 100)

    assert (round(low, 3), round(high, 3)) == (0.915, 0.99)  # Wilson (1927), as in R's prop.test
    assert interval(0, 0) == (0.0, 1.0)


def test_a_sample_fails_only_when_chance_alone_would_not_choose_so_many_survivors() -> None:
    def report(caught: int, survived: int) -> Report:
        found = Report(known=[])
        for number in range(caught + survived):
            mutant = Mutant(file="a", place="b", change=str(number), start=0, end=1, replacement="")
            found.add(mutant, "area", Verdict(number < caught, ""))
        return found

    assert not report(27, 3).too_many(0.03, of_all=1000)
    assert report(25, 5).too_many(0.03, of_all=1000)
    assert report(27, 3).too_many(0.03, of_all=30)
    assert round(at_least(1, 2, 0.5), 2) == 0.75
    assert "area: 27 of 30 caught" in report(27, 3).text()


def test_every_file_of_the_infrastructure_is_mutated_and_is_of_one_area() -> None:
    infrastructure = {*ROOT.glob("infra/**/*.py"), *ROOT.glob("stacks/*.py"), *ROOT.glob("infra/*.yaml")}

    assert {str(file.relative_to(ROOT)) for file in infrastructure} <= set(mutated_files())
