"""A husk says of a module what the module says of itself, without what is large in it."""

from __future__ import annotations

import pytest

from extism._engine.engine import wat_to_wasm
from extism._wasm.husk import husk
from extism._wasm.reader import read

MODULES = {
    "all kinds": """(module
      (type $t (func (param i32) (result i64)))
      (import "env" "f" (func $f (type $t)))
      (import "env" "m" (memory 1 9))
      (table (export "table") 3 funcref)
      (global (export "global") (mut i32) (i32.const 5))
      (tag (export "tag") (param i32))
      (func (export "run") (result i32) (i32.const 1))
      (func $start)
      (start $start)
      (elem (i32.const 0) $start)
      (data (i32.const 0) "a long text that nobody wants to read")
      (@custom "extism.frail" "with content"))""",
    "nothing": "(module)",
    "many functions": f'(module {"(func (param i32))" * 300} (func (export "last") (result f64) (f64.const 0)))',
    "many types": '(module {} (func (export "last") (type 199) unreachable))'.format(
        "".join(f"(type (func (param {'i32 ' * n})))" for n in range(200))
    ),
}


def facts(module):
    """All that others see of a module."""
    return {
        "imports": [(each.module, each.name, str(each.type)) for each in module.imports],
        "exports": [(each.name, str(module.type_of(each))) for each in module.exports],
        "functions": module.exported_functions(),
        "memories": module.memories,
        "start": module.start,
        "custom": sorted(module.custom),
        "types": module.types,
        "indices": module.function_type_indices,
    }


@pytest.mark.parametrize("name", MODULES)
def test_a_husk_answers_as_its_module(name):
    """Imports, exports, types, memories, the start function, names of custom sections."""
    module = read(wat_to_wasm(MODULES[name]))

    assert facts(read(husk(module))) == facts(module)


def test_a_husk_is_small():
    """Code, data and the content of custom sections are gone."""
    wasm = wat_to_wasm(MODULES["all kinds"])
    made = husk(read(wasm))

    assert b"long text" not in made
    assert b"with content" not in made
    assert len(made) < len(wasm) / 2 + 60


def test_a_husk_of_a_husk_is_the_same():
    """Nothing more can be taken away."""
    made = husk(read(wat_to_wasm(MODULES["all kinds"])))

    assert husk(read(made)) == made
