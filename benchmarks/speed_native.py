"""Runs `speed_programs` in this Python, one for each line that it is given; answers with JSON."""

import gc
import json
import sys
import time

from speed_programs import PROGRAMS

for line in sys.stdin:
    gc.collect()
    began = time.perf_counter()
    answer = PROGRAMS[line.strip()]()
    seconds = time.perf_counter() - began
    print(json.dumps([seconds, repr(answer)]), flush=True)
