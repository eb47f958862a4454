"""Generated code is what the .proto files say, and what they once promised to callers they still do."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.capabilities.calls.declaration import callers as callers_of
from infra.local.binaries import MISSING, go
from infra.service.catalogue import load
from tools import protos
from tools.protos import Proto

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
SERVICES = ROOT / "services"
EVERY_PROTO = protos.protos(SERVICES)
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
def proto(tmp_path: Path) -> Proto:
    """A recorded interface."""
    file = tmp_path / "services/shop/proto/shop.proto"
    file.parent.mkdir(parents=True)
    file.write_text(RECORDED)
    made = Proto("shop", file)
    assert protos.record(made) == []
    return made


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
        f"{caller}/{catalogue.services[caller].module}/{proto.file.stem}_pb2.{kind}"
        for proto in EVERY_PROTO
        for caller in callers_of(proto.service, catalogue)
        for kind in ("py", "pyi")
    }

    assert callers
    assert callers == {name for name in generated(SERVICES) if "_pb2" in name}


@pytest.mark.parametrize("proto", EVERY_PROTO, ids=lambda proto: proto.file.name)
def test_an_interface_is_recorded_and_keeps_what_it_promised(proto: Proto) -> None:
    assert json.loads(proto.record.read_text()) == protos.promises(proto)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("string name = 1;", "", "shop.test.v1.Tea.name is gone; callers use it: keep it"),
        ("string name = 1", "string name = 9", "`optional string = 1` and is `optional string = 9`"),
        ("string name = 1", "bytes name = 1", "`optional string = 1` and is `optional bytes = 1`"),
        ("string name = 1", "repeated string name = 1", "`optional string = 1` and is `repeated string = 1`"),
        ("string name = 1", "optional string name = 1", "`optional string = 1` and is `explicit optional string = 1`"),
        ("string name = 1", "string label = 1", "shop.test.v1.Tea.name is gone; callers use it: keep it"),
        (
            "repeated Tea blend",
            "repeated Pot blend",
            "`repeated shop.test.v1.Tea = 2` and is `repeated shop.test.v1.Tea.Pot = 2`",
        ),
        ("int32 cups = 1;", "", "shop.test.v1.Tea.Pot.cups is gone"),
        (
            "oneof price { int64 cents = 4; }",
            "int64 cents = 4;",
            "`optional int64 = 4 of oneof 0` and is `optional int64 = 4`",
        ),
        ("GREEN = 1;", "", "shop.test.v1.Colour.GREEN is gone"),
        ("GREEN = 1", "GREEN = 2", "shop.test.v1.Colour.GREEN was `1` and is `2`"),
        ("rpc Brew(Tea) returns (Tea);", "", "shop.test.v1.Shop.Brew is gone"),
        (
            "Brew(Tea)",
            "Brew(stream Tea)",
            "shop.test.v1.Shop.Brew was `shop.test.v1.Tea -> shop.test.v1.Tea` and is `stream of",
        ),
        ("Brew(Tea)", "Brew(Tea.Pot)", "and is `shop.test.v1.Tea.Pot -> shop.test.v1.Tea`"),
        ("package shop.test.v1", "package shop.test.v2", "shop.test.v1.Tea is gone"),
    ],
)
def test_what_callers_use_is_neither_changed_nor_removed(proto: Proto, old: str, new: str, sentence: str) -> None:
    before = proto.record.read_text()
    assert old in RECORDED
    proto.file.write_text(RECORDED.replace(old, new))

    found = protos.record(proto)

    assert any(sentence in each for each in found), found
    assert all(each.startswith("shop.proto: ") for each in found)
    assert proto.record.read_text() == before


def test_what_is_new_is_fine_and_is_promised_from_then_on(proto: Proto) -> None:
    proto.file.write_text(
        RECORDED.replace("string name = 1;", "string name = 1; bool hot = 7;").replace(
            "rpc", "rpc Pour(Tea) returns (Tea); rpc"
        )
    )
    assert protos.record(proto) == []

    proto.file.write_text(RECORDED)

    assert protos.record(proto) == [
        "shop.proto: shop.test.v1.Tea.hot is gone; callers use it: keep it",
        "shop.proto: shop.test.v1.Shop.Pour is gone; callers use it: keep it",
    ]


def test_a_file_that_is_no_proto_is_refused_with_the_words_of_the_compiler(proto: Proto) -> None:
    proto.file.write_text("syntax = 'proto3'; message {}")

    with pytest.raises(protos.ProtoError, match=r"shop\.proto:1:28: Expected message name"):
        protos.record(proto)


def test_a_new_caller_gets_the_messages_and_a_caller_in_go_does_not(tmp_path: Path, proto: Proto) -> None:
    services, out = proto.file.parent.parent.parent, tmp_path / "out"
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
