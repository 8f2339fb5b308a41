"""
A scene, played: one plug-in made from what the scene says, then its steps, and what came of each.

This file is run by `peer_worker.py` with upstream's package and with ours, in a process of its own each, and
knows only what both have. Nothing here decides which of them is right: `peer.py` compares.

A scene is a JSON object::

    {"plugin": {"manifest": {...}} | {"text": "..."} | {"data": base64},
     "wasi": false, "config": null, "functions": ["add", ...], "compiled": false, "environ": {}, "folder": null,
     "steps": [["call", name, base64, context], ["exists", name], ["another"], ["switch", n], ...]}

With "keep", a text, the plug-in stays and plays the next scene of that text. An answer is a list: kind, code, output
or None, what is worth comparing of the error's text, and all of it. One that tells of a plug-in that could not be made
is the last of its scene.
"""

import base64
import contextlib
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

from peer_functions import HEARD, host_function

import extism

BACKTRACE = "error while executing at wasm backtrace:"


class Recorder:
    """Upstream's C library, remembering the return code of the last call."""

    def __init__(self, library):
        self._library = library
        self.code = 0

    def __getattr__(self, name):
        return getattr(self._library, name)

    def extism_plugin_call_with_host_context(self, *args):
        self.code = self._library.extism_plugin_call_with_host_context(*args)
        return self.code


class Upstream:
    """How upstream's errors are read: by their text, the return code, and the cause in the log."""

    def __init__(self):
        import extism.extism as module

        self._recorder = module._lib = Recorder(module._lib)

    def answer(self, error, lines):
        text, code = str(error), self._recorder.code
        causes = [line for line in lines if "encountered an error: " in line]
        if text in {"timeout", "oom", "plugin ran out of fuel"}:
            return text, code, text
        if text.startswith("Function not found: "):
            return "not found", code, text
        if text == f"Error code: {code}":
            return "code", code, text
        if text.startswith(BACKTRACE):
            kind = "trap" if code == 134 else "refused" if code == -1 else "exit"
            return kind, code, cause(causes[-1]) if causes else ""
        if re.fullmatch(r"expected \d+ arguments, got 0|Function \S+ has \d+ results, .*", text):
            return "uncallable", code, text
        return "guest", code, text


class Ours:
    """How our errors are read: by their class."""

    KINDS = (
        ("FunctionNotFound", "not found"),
        ("GuestExit", "exit"),
        ("OutOfMemory", "oom"),
        ("OutOfFuel", "plugin ran out of fuel"),
        ("Trap", "trap"),
        ("CallTimeout", "timeout"),
        ("Cancelled", "timeout"),
        ("CapabilityDenied", "refused"),
        ("HostFunctionError", "refused"),
        ("PluginBusy", "busy"),
        ("PluginClosed", "closed"),
    )

    def answer(self, error, lines):
        del lines
        text, code = str(error), getattr(error, "exit_code", -1)
        for name, kind in self.KINDS:
            if isinstance(error, getattr(extism.errors, name)):
                is_refused = kind == "trap" and code == -1
                return (
                    "refused" if is_refused else kind,
                    code,
                    cause(text) if kind == "trap" else text,
                )
        if isinstance(error, extism.errors.GuestError):
            return ("code" if text == f"Error code: {code}" else "guest"), code, text
        return ("uncallable" if "A callable export has" in text else "refused"), code, text


def cause(text):
    """The last cause of a chain as the engine prints it; a log goes on with a backtrace of Rust's or its fields."""
    found = text.partition("\n\nStack backtrace:")[0].partition("\n plugin=")[0]
    return found.rpartition("Caused by:\n")[2].strip().rpartition("\n")[2].strip()


class Logs:
    """What the package logs, line by line, without times and names of plug-ins."""

    def __init__(self, level):
        self.lines = []
        self._logger = extism.set_log_custom(self.lines.append, level) if level else None

    def take(self):
        if self._logger is not None:
            self._logger.drain()
        taken = list(self.lines)
        self.lines.clear()
        return taken


class Stage:
    """The package under test, and what has been set up for all scenes of this process."""

    def __init__(self, log_level=None):
        self._reader = Ours() if hasattr(extism, "errors") else Upstream()
        self._logs = Logs(log_level)
        self._kept = {}

    def play(self, scene):
        HEARD.clear()
        self._logs.take()
        with surroundings(scene):
            answers = list(self._answers(scene))
        return {"answers": answers, "heard": list(HEARD)}

    def _answers(self, scene):
        steps = self._kept.get(scene.get("keep")) or Steps(scene)
        made = None if steps.is_made else self._attempt(steps.make)
        if made is not None:
            yield made
            return
        if "keep" in scene:
            self._kept[scene["keep"]] = steps
        for step in scene["steps"]:
            answer = self._attempt(lambda step=step: steps.run(*step))
            if answer is not None:
                yield answer

    def _attempt(self, action):
        try:
            output = action()
            lines = self._logs.take()
        except extism.Error as error:
            return self._failure(error)
        except (TypeError, ValueError, OSError) as error:
            return self._exception(error)
        except (KeyboardInterrupt, SystemExit) as error:
            return self._exception(error)
        if isinstance(output, LogLines):
            return ["logged", None, None, guest_lines(lines), None]
        return output if output is None else ["output", 0, output, "", None]

    def _exception(self, error):
        self._logs.take()
        return [type(error).__name__, None, None, str(error), str(error)]

    def _failure(self, error):
        text, lines = str(error), self._logs.take()
        for kind in ("compile", "create"):
            if text.startswith(f"Unable to {kind} Extism plugin: "):
                return [kind, None, None, text, text]
        if isinstance(error, TypeError):
            return ["TypeError", None, None, text, text]
        kind, code, essence = self._reader.answer(error, lines)
        return [kind, code, None, essence, text]


def guest_lines(lines):
    """What guests logged, without times and names of plug-ins."""
    found = [line[28:] for line in lines if "extism::pdk" in line]
    return re.sub(r'plugin="[-0-9a-f]{36}"', "plugin", "".join(found))


class LogLines:
    """Stands for a call of which only the log counts."""


class Steps:
    """The plug-ins of one scene, and what can be done with them."""

    def __init__(self, scene):
        self._scene = scene
        self._plugins: list[Any] = []
        self._current = 0

    @property
    def is_made(self):
        return bool(self._plugins)

    def run(self, name, *args):
        return getattr(self, name)(*args)

    def make(self):
        scene = self._scene
        functions = [host_function(name) for name in scene["functions"]]
        source = plugin_source(scene["plugin"])
        if scene["compiled"]:
            compiled = (
                extism.extism.CompiledPlugin
                if not hasattr(extism, "CompiledPlugin")
                else extism.CompiledPlugin
            )
            self._source = compiled(source, scene["wasi"], functions)
            self.another()
        else:
            self._plugins.append(extism.Plugin(source, scene["wasi"], scene["config"], functions))

    def another(self, config=None):
        self._plugins.append(extism.Plugin(self._source, config=config))
        self._current = len(self._plugins) - 1

    def switch(self, index):
        self._current = index

    @property
    def plugin(self):
        return self._plugins[self._current]

    def call(self, name, data, context=None):
        output = self.plugin.call(name, base64.b64decode(data), host_context=context)
        return base64.b64encode(output).decode()

    def call_text(self, name, text):
        """Call with a text in which placeholders have been replaced."""
        return self.call(name, base64.b64encode(text.encode()).decode())

    def log(self, name, data):
        self.call(name, data)
        return LogLines()

    def exists(self, name):
        return word(self.plugin.function_exists(name))

    def cancel(self, name, after_ms):
        """Call, and cancel the call from another thread after some time."""
        handle = self.plugin.cancel_handle()
        threading.Timer(after_ms / 1000, handle.cancel).start()
        return self.call(name, "")

    def cancel_idle(self):
        return word(self.plugin.cancel_handle().cancel())

    def threads(self, name, data, count):
        """Call from several threads at once; upstream's outputs can get mixed up and do not count."""
        workers = [threading.Thread(target=self.call, args=(name, data)) for _ in range(count)]
        for each in workers:
            each.start()
        for each in workers:
            each.join(20)

    def ids_differ(self):
        return word(len({plugin.id for plugin in self._plugins}) == len(self._plugins))

    def text(self, name, text):
        """Call with a str as input."""
        output = self.plugin.call(name, text)
        return base64.b64encode(output).decode()

    def parse(self, name, data):
        """Call with a `parse` that counts."""
        return base64.b64encode(
            b"%d" % self.plugin.call(name, base64.b64decode(data), len)
        ).decode()

    def repeat(self, name, data, count):
        for _ in range(count - 1):
            self.call(name, data)
        return self.call(name, data)

    def close(self):
        with self.plugin:
            pass

    def sleep(self, ms):
        time.sleep(ms / 1000)


def word(value):
    return base64.b64encode(b"yes" if value else b"no").decode()


def plugin_source(given):
    if "manifest" in given:
        return given["manifest"]
    return given["text"] if "text" in given else base64.b64decode(given["data"])


@contextlib.contextmanager
def surroundings(scene):
    """The working directory and the environment of a scene."""
    before, folder = dict(os.environ), Path.cwd()
    os.environ.update(scene["environ"])
    if scene["folder"]:
        os.chdir(scene["folder"])
    try:
        yield
    finally:
        os.chdir(folder)
        for name in scene["environ"]:
            os.environ.pop(name)
        os.environ.update({k: v for k, v in before.items() if k in scene["environ"]})
