"""Generated code is what the .proto files say, and what they once promised to callers they still do."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.capabilities.calls.declaration import callers as callers_of
from infra.local.binaries import MISSING, go
from infra.service.catalogue import load
from tools import protos
from tools.protos import Interface

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
SERVICES = ROOT / "services"
EVERY_INTERFACE = protos.interfaces(SERVICES)
RECORDED = """
syntax = "proto3";
package shop.test.v1;
enum Colour { COLOUR_UNSPECIFIED = 0; GREEN = 1; }
message Tea {
  string name = 1; repeated Tea blend = 2; Colour colour = 3;
  message Pot { int32 cups = 1; }
  oneof price { int64 cents = 4; }
}
service Shop { rpc Brew(Tea) returns (Tea); }
"""


@pytest.fixture
def interface(tmp_path: Path) -> Interface:
    """A recorded one."""
    made = Interface("shop", tmp_path / "services/shop/proto")
    made.folder.mkdir(parents=True)
    (made.folder / "shop.proto").write_text(RECORDED)
    assert protos.record(made) == []
    return made


def change(interface: Interface, *changes: tuple[str, str]) -> None:
    text = RECORDED
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (interface.folder / "shop.proto").write_text(text)


def generated(folder: Path) -> dict[str, str]:
    files = [
        *folder.glob("*/*/*_pb2.py*"),
        *folder.glob("*/internal/**/*.pb.go"),
        *folder.glob("*/internal/**/*.connect.go"),
    ]
    return {file.relative_to(folder).as_posix(): file.read_text() for file in files}


def test_generated_python_is_up_to_date(tmp_path: Path) -> None:
    protos.generate(SERVICES, tmp_path, None)

    assert generated(tmp_path) == {name: text for name, text in generated(SERVICES).items() if "_pb2" in name}


@pytest.mark.skipif(go() is None, reason=MISSING)
def test_generated_go_is_up_to_date(tmp_path: Path) -> None:
    protos.generate(SERVICES, tmp_path, go())

    assert generated(tmp_path) == generated(SERVICES)


def test_every_python_caller_has_the_messages() -> None:
    catalogue = load(SERVICES)
    callers = {
        f"{caller}/{catalogue.services[caller].module}/{file.stem}_pb2.{kind}"
        for interface in EVERY_INTERFACE
        for file in interface.files
        for caller in callers_of(interface.service, catalogue)
        for kind in ("py", "pyi")
    }

    assert callers
    assert callers == {name for name in generated(SERVICES) if "_pb2" in name}


@pytest.mark.parametrize("interface", EVERY_INTERFACE, ids=lambda interface: interface.service)
def test_an_interface_is_recorded(interface: Interface) -> None:
    assert interface.record.read_text() == protos.image(interface)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("string name = 1;", "", 'field "1" with name "name" on message "Tea" was deleted'),
        ("string name = 1", "string name = 9", 'field "1" with name "name" on message "Tea" was deleted'),
        ("string name = 1", "bytes name = 1", 'changed type from "string" to "bytes"'),
        ("string name = 1", "repeated string name = 1", 'changed cardinality from "optional with implicit presence"'),
        ("string name = 1", "optional string name = 1", 'to "optional with explicit presence"'),
        ("string name = 1", "string label = 1", 'changed name from "name" to "label"'),
        ("repeated Tea blend", "repeated Pot blend", 'changed type from "shop.test.v1.Tea" to "shop.test.v1.Tea.Pot"'),
        ("int32 cups = 1;", "", 'field "1" with name "cups" on message "Pot" was deleted'),
        ("oneof price { int64 cents = 4; }", "int64 cents = 4;", 'oneof "price" on message "Tea" was deleted'),
        ("GREEN = 1;", "", 'enum value "1" on enum "Colour" was deleted'),
        ("GREEN = 1", "GREEN = 2", 'enum value "1" on enum "Colour" was deleted'),
        ("rpc Brew(Tea) returns (Tea);", "", 'RPC "Brew" on service "Shop" was deleted'),
        ("Brew(Tea)", "Brew(stream Tea)", "changed from client unary to client streaming"),
        ("Brew(Tea)", "Brew(Tea.Pot)", 'changed request type from "shop.test.v1.Tea" to "shop.test.v1.Tea.Pot"'),
        ("package shop.test.v1", "package shop.test.v2", 'package changed from "shop.test.v1" to "shop.test.v2"'),
    ],
)
def test_what_callers_use_is_neither_changed_nor_removed(interface: Interface, old: str, new: str, said: str) -> None:
    before = interface.record.read_text()
    change(interface, (old, new))

    found = protos.record(interface)

    assert any(said in each for each in found), found
    assert all(each.startswith("shop.proto:") for each in found), found
    assert interface.record.read_text() == before


def test_what_is_new_is_fine_and_is_promised_from_then_on(interface: Interface) -> None:
    change(
        interface, ("string name = 1;", "string name = 1; bool hot = 7;"), ("rpc", "rpc Pour(Tea) returns (Tea); rpc")
    )
    assert protos.record(interface) == []

    change(interface)

    gone = "\n".join(protos.record(interface))
    assert 'field "7" with name "hot" on message "Tea" was deleted' in gone
    assert 'RPC "Pour" on service "Shop" was deleted' in gone


def test_a_file_that_is_no_proto_is_refused_with_the_words_of_the_compiler(interface: Interface) -> None:
    (interface.folder / "shop.proto").write_text("syntax = 'proto3'; message {}")

    with pytest.raises(protos.ProtoError, match=r"shop\.proto:1:20:missing name after `message`"):
        protos.record(interface)


def test_a_new_caller_gets_the_messages_and_a_caller_in_go_does_not(tmp_path: Path, interface: Interface) -> None:
    services, out = interface.folder.parent.parent, tmp_path / "out"
    declarations = {"shop": "python", "tea-room": "python", "mill": "go"}
    for name, language in declarations.items():
        calls = "" if name == "shop" else "calls: [shop]\n"
        folder = services / name
        folder.mkdir(exist_ok=True)
        (folder / "service.yaml").write_text(f"name: {name}\nsummary: a service\nlanguage: {language}\n{calls}")

    protos.generate(services, out, None)

    written = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert written == {"tea-room/tea_room/shop_pb2.py", "tea-room/tea_room/shop_pb2.pyi"}


def test_without_go_it_says_so_and_generates_the_rest(tmp_path: Path) -> None:
    for part in ("infra", "tools", "services/pricing/proto", "services/pricing/service.yaml"):
        source, target = ROOT / part, tmp_path / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    caller = tmp_path / "services/orders"
    caller.mkdir()
    (caller / "service.yaml").write_text("name: orders\nsummary: orders\nlanguage: python\ncalls: [pricing]\n")
    program = "from tools import protos; protos.go = lambda: None; raise SystemExit(protos.main())"

    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=50)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "There is no Go here: the Go code of the interfaces stays as it is.\n"
    assert (caller / "orders/pricing_pb2.py").exists()
