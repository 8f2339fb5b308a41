"""The plug-in that runs `speed_programs`: the one that its input names."""

import gc
import time

from speed_programs import PROGRAMS

import extism


@extism.plugin_fn
def run():
    """Run one program; give how long it took and what it returned."""
    name = extism.input_str()
    gc.collect()
    began = time.perf_counter()
    answer = PROGRAMS[name]()
    extism.output_json([time.perf_counter() - began, repr(answer)])
