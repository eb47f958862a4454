import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from chassis import logs
from opentelemetry.sdk.trace import TracerProvider

from services.chassis.tests.applications import settings


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator["Written"]:
    """The process's logs as the chassis writes them, and everything put back as it was."""
    root = logging.getLogger()
    before = root.handlers, root.level, structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in logs.NOISY_LOGGERS}
    yield Written(capsys)
    root.handlers, root.level = before[:2]
    structlog.configure(**before[2])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)


class Written:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def configure(self, **given: Any) -> None:
        logs.configure(settings(**given))

    def lines(self) -> list[dict[str, Any]]:
        output = self._capsys.readouterr()
        assert output.err == ""
        return [json.loads(line) for line in output.out.splitlines()]


def test_a_line_is_one_json_object_with_what_a_reader_needs_first(written: Written) -> None:
    written.configure()
    structlog.get_logger("orders").info("order_placed", order_id="7", text="two\nlines")

    (line,) = written.lines()
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": "order_placed",
        "logger": "orders",
        "service": "tiny",
        "version": "1",
        "order_id": "7",
        "text": "two\nlines",
    }


def test_lines_of_libraries_are_like_our_own(written: Written) -> None:
    written.configure()
    logging.getLogger("uvicorn.error").warning("listening on %s:%d", "::1", 80, extra={"color_message": "x"})

    (line,) = written.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "listening on ::1:80",
        "logger": "uvicorn.error",
        "service": "tiny",
        "version": "1",
    }


def test_lines_carry_the_ids_of_trace_and_request(written: Written) -> None:
    written.configure()
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("work") as span, structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("own").info("hello")
        logging.getLogger("foreign").info("hello")
    structlog.get_logger("own").info("outside")

    *inside, outside = written.lines()
    context = span.get_span_context()
    for line in inside:
        assert line["request_id"] == "r-1"
        assert line["trace_id"] == f"{context.trace_id:032x}"
        assert line["span_id"] == f"{context.span_id:016x}"
    assert outside.keys().isdisjoint({"request_id", "trace_id", "span_id"})


def test_an_exception_is_part_of_its_line_without_the_values_of_variables(written: Written) -> None:
    written.configure()
    password = "hunter" + str(len("12"))
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger("own").exception("failed", length=len(password))
        logging.getLogger("foreign").exception("failed")

    for line in written.lines():
        assert line["level"] == "error"
        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("ValueError: broken")
        assert "hunter2" not in line["exception"]


def test_the_level_is_as_told(written: Written) -> None:
    written.configure(log_level="WARNING")
    for name in ("own", "foreign"):
        structlog.get_logger(name).info("quiet")
        logging.getLogger(name).info("quiet")
        logging.getLogger(name).warning("loud")

    assert [line["event"] for line in written.lines()] == ["loud", "loud"]


def test_libraries_that_would_write_tokens_and_bodies_do_not_at_debug(written: Written) -> None:
    written.configure(log_level="DEBUG")
    for name in ("botocore.endpoint", "httpx", "sqlalchemy.engine.Engine", "own"):
        logging.getLogger(name).debug("Authorization: Bearer secret")

    assert [line["logger"] for line in written.lines()] == ["own"]
