"""What a guest logs: where it goes, what is filtered, what it can ask for."""

from __future__ import annotations

import logging
import re

import pytest
from wat_guests import wat

import extism

LEVELS = ("trace", "debug", "info", "warn", "error")

LOGS = wat(
    "\n".join(f'(func (export "{name}") (call $log_{name} (call $copy_input)))' for name in LEVELS)
    + """
    (func (export "level") (call $give_i64 (i64.extend_i32_s (call $get_log_level))))
    (func (export "wild") (call $log_info (i64.const 4096)))"""
)


@pytest.fixture
def loud(caplog):
    caplog.set_level(1, logger="extism.plugin")
    return caplog


@pytest.mark.parametrize(("name", "level"), list(zip(LEVELS, (5, 10, 20, 30, 40), strict=True)))
def test_a_message_reaches_logging_at_its_level(plugin, loud, name, level):
    """Guests log to the logger `extism.plugin`; the record carries the plug-in's id."""
    made = plugin(LOGS)
    made.call(name, "hello")
    (record,) = loud.records

    assert (record.name, record.levelno, record.getMessage()) == ("extism.plugin", level, "hello")
    assert record.plugin == str(made.id)


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (5, 0),
        (logging.DEBUG, 1),
        (logging.INFO, 2),
        (logging.WARNING, 3),
        (logging.ERROR, 4),
        (logging.CRITICAL, 2**31 - 1),
    ],
)
def test_a_guest_can_ask_what_is_wanted(plugin, caplog, level, number):
    """get_log_level gives the lowest level that anybody listens to, the largest i32 for none."""
    caplog.set_level(level, logger="extism.plugin")

    assert int.from_bytes(plugin(LOGS).call("level", ""), "little") == number


def test_levels_are_asked_for_anew_in_each_call(plugin, caplog):
    """A level that changes between two calls is seen by the second."""
    made = plugin(LOGS)
    caplog.set_level(logging.ERROR, logger="extism.plugin")
    made.call("info", "not wanted")
    caplog.set_level(logging.INFO, logger="extism.plugin")
    made.call("info", "wanted")

    assert [record.getMessage() for record in caplog.records] == ["wanted"]


QUIET_LOUD_QUIET = wat(
    """
    (func $say (call $log_info (call $copy_input)))
    (func (export "run") (call $say) (call $change) (call $say))
    (func (export "say") (call $say))""",
    before='(import "extism:host/user" "change" (func $change))',
)


@pytest.mark.parametrize("fuse", [True, False], ids=["fused", "apart"])
def test_each_call_hears_what_changed_before_it(caplog, fuse):
    """Levels, handlers and their levels, loggers switched off: forty calls, a change before every other one."""
    logger, handler = logging.getLogger("extism.plugin"), logging.Handler()
    heard = []
    handler.emit = lambda record: heard.append(record.getMessage())
    handler.setLevel(logging.INFO)
    caplog.set_level(logging.INFO, logger="extism.plugin")

    def switched(wanted):
        return [
            lambda: logger.setLevel(logging.INFO if wanted else logging.ERROR),
            lambda: logging.disable(logging.NOTSET if wanted else logging.ERROR),
            lambda: handler.setLevel(logging.INFO if wanted else logging.ERROR),
            lambda: (logger.addHandler if wanted else logger.removeHandler)(handler),
            lambda: setattr(logger, "disabled", not wanted),
        ]

    compiled = extism.CompiledPlugin(LOGS.encode(), fuse=fuse)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        with extism.Plugin(compiled) as made:
            for number in range(40):
                made.call("level", "")
                switched(wanted=bool(number % 2))[number // 2 % 5]()
                made.call("info", str(number))
    finally:
        logger.removeHandler(handler)
        logger.propagate = True

    assert heard == [str(number) for number in range(40) if number % 2]


def test_a_guest_hears_of_a_lower_level_from_the_next_call_on(plugin, caplog):
    """What a host function changes: the running call keeps what it was told, and a higher level holds at once."""
    levels = [logging.ERROR, logging.INFO]

    @extism.host_fn(name="change", namespace="extism:host/user")
    def change() -> None:
        caplog.set_level(levels[1], logger="extism.plugin")

    extism.HOST_FN_REGISTRY.remove(change)
    made = plugin(QUIET_LOUD_QUIET, functions=[change])
    for number in range(2):
        caplog.set_level(levels[0], logger="extism.plugin")
        made.call("say", "said")
        made.call("run", f"ran {number}")
        made.call("say", f"then {number}")
        levels.reverse()

    assert [r.getMessage() for r in caplog.records] == ["then 0", "said", "ran 1"]


def test_a_message_is_one_line_that_does_nothing(plugin, loud):
    """Line feeds, escape sequences and broken UTF-8 are shown, not done."""
    plugin(LOGS).call("info", b"one\ntwo \x1b[31mred \xff \xe2\x80\xae")

    assert [r.getMessage() for r in loud.records] == ["one\\ntwo \\x1b[31mred \\xff \\u202e"]


def test_a_long_message_is_cut(plugin, loud):
    """16 KiB are kept, and the length is told."""
    plugin(LOGS).call("info", "x" * 1_000_000)

    assert loud.records[0].getMessage() == "x" * 16384 + "… [cut: 1000000 bytes]"


def test_an_empty_message_is_a_message(plugin, loud):
    """The null handle is the text without characters."""
    plugin(LOGS).call("info", "")

    assert [record.getMessage() for record in loud.records] == [""]


def test_a_wild_handle_is_refused_only_where_somebody_listens(plugin, caplog):
    """With the level off the message is not looked at, as upstream."""
    made = plugin(LOGS)
    caplog.set_level(logging.ERROR, logger="extism.plugin")
    made.call("wild", "")
    caplog.set_level(logging.INFO, logger="extism.plugin")

    with pytest.raises(
        extism.errors.CallError, match="invalid handle offset for log message: 4096"
    ):
        made.call("wild", "")


def test_a_handler_that_raises_fails_the_call_like_any_other_function(plugin, loud):
    """An error of the host's own logging is not lost in the guest."""

    class Broken(logging.Handler):
        def emit(self, record):
            raise OSError("disk full")

    broken = Broken()
    logging.getLogger("extism.plugin").addHandler(broken)
    try:
        with pytest.raises(extism.Error, match="disk full"):
            plugin(LOGS).call("info", "x")
    finally:
        logging.getLogger("extism.plugin").removeHandler(broken)


def test_a_file_gets_upstreams_lines(plugin, tmp_path, fresh_log_sink):
    """set_log_file appends one line a message: time, level, target, text, plug-in."""
    path = tmp_path / "guests.log"
    extism.set_log_file(path, "info")
    made = plugin(LOGS)
    made.call("debug", "too quiet")
    made.call("warn", "look")
    (line,) = path.read_text().splitlines()

    assert re.fullmatch(
        rf'\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{6}}Z  WARN extism::pdk: look plugin="{made.id}"',
        line,
    )


def test_a_function_gets_the_lines_when_they_are_drained(plugin, fresh_log_sink):
    """set_log_custom keeps lines until `drain`; each ends with a line feed."""
    lines = []
    logger = extism.set_log_custom(lines.append, "trace")
    made = plugin(LOGS)
    made.call("trace", "one")
    made.call("error", "two")
    waiting = len(lines)
    logger.drain()

    assert waiting == 0
    assert [line.split("extism::pdk: ")[1] for line in lines] == [
        f'one plugin="{made.id}"\n',
        f'two plugin="{made.id}"\n',
    ]


def test_the_sink_decides_what_a_guest_hears_is_wanted(plugin, caplog, fresh_log_sink):
    """The lower of what `logging` and the sink want is what get_log_level gives."""
    caplog.set_level(logging.ERROR, logger="extism.plugin")
    extism.set_log_custom(lambda line: None, "debug")

    assert int.from_bytes(plugin(LOGS).call("level", ""), "little") == 1
