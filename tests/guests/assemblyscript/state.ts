// What lasts: globals from call to call, blocks until the end of a call.

import * as extism from "./extism";
import { env } from "./extism";

let calls: u64 = 0;

function give(number: u64): i32 {
  extism.outputNumber<u64>(number);
  return 0;
}

export function count(): i32 {
  return give(++calls);
}

export function count_and_crash(): i32 {
  calls++;
  return unreachable();
}

/**
 * Ten thousand blocks of 10 to 10000 bytes, every third of them freed; gives the sum of the lengths of all
 * that the host still knows, which must be the sum of what was asked for and not given back.
 */
export function allocations(): i32 {
  let kept: u64 = 0;
  let known: u64 = 0;
  let seed: u64 = 1;
  for (let i = 0; i < 10000; i++) {
    seed = seed * 6364136223846793005 + 1442695040888963407;
    const length = 10 + ((seed >> 33) % 9991);
    const block = env.alloc(length);
    if (block == 0) return extism.fail("out of memory");
    env.store_u8(block, 1);
    env.store_u8(block + length - 1, 2);
    if (i % 3 == 0) env.free(block);
    else kept += length;
    known += env.length(block);
  }
  return known == kept ? give(kept) : extism.fail("a block has a wrong length");
}

/** The input is a number of eight bytes: that many bytes are asked for, in one block. */
export function allocate(): i32 {
  return give(env.length(env.alloc(env.input_load_u64(0))));
}
