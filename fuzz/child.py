"""
Cases of one target in this process: `python -m fuzz.child modules SEED FIRST LAST NUMBER_FILE`.

The number of the case that runs is kept in the file, so that who watches knows which one ended the process.
What is found is printed as JSON, a line each.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any

from fuzz.case import Finding, dice_of


def main(name: str, seed: int, first: int, last: int, number_file: str) -> None:
    """Run the cases from `first` to before `last`."""
    into = os.open(number_file, os.O_WRONLY | os.O_CREAT)
    with importlib.import_module(f"fuzz.fuzz_{name}").Fuzz() as target:
        for number in range(first, last):
            os.pwrite(into, number.to_bytes(8, "little"), 0)
            try:
                target.case(dice_of(seed, name, number))
            except Finding as exc:
                _tell(number, exc.text, exc.made_of)
            except Exception as exc:  # noqa: BLE001 - whatever leaves a case is a fault
                _tell(number, f"{type(exc).__name__}: {exc}"[:2000], traceback.format_exc())
        os.pwrite(into, last.to_bytes(8, "little"), 0)


def _tell(number: int, text: str, made_of: Any) -> None:
    shown = made_of.hex() if isinstance(made_of, bytes) else made_of
    line = json.dumps({"case": number, "text": text, "made_of": shown}, default=repr)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _name, _seed, _first, _last, _number_file = sys.argv[1:]
    main(_name, int(_seed), int(_first), int(_last), _number_file)
