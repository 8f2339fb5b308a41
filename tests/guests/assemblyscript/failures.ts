// Ends calls badly, in every way that a plug-in in AssemblyScript can.

import * as extism from "./extism";
import { env } from "./extism";

export function fail(): i32 {
  return extism.fail("this did not work: grüße");
}

/** The input's first byte is the code. */
export function code(): i32 {
  extism.output("output that nobody sees");
  return env.input_load_u8(0);
}

export function fail_and_return_zero(): i32 {
  extism.fail("an error text is enough");
  return 0;
}

export function fail_then_succeed(): i32 {
  extism.fail("taken back");
  env.error_set(0);
  extism.output("fine");
  return 0;
}

export function crash(): i32 {
  return unreachable();
}

export function fail_then_crash(): i32 {
  extism.fail("last words");
  return unreachable();
}

/** Exceptions end in `extism.abort`, which makes an error text of them. */
export function throws(): i32 {
  throw new Error("thrown");
}

export function past_the_end(): i32 {
  const bytes = extism.inputBytes();
  return bytes[bytes.length];
}

function deeper(depth: i32): i32 {
  return depth < 0 ? 0 : deeper(depth + 1) + deeper(depth + 2);
}

export function recurse(): i32 {
  return deeper(0);
}

export function loop(): i32 {
  while (true) env.error_get();
}

/** A block that was never allocated. */
export function wrong_handle(): i32 {
  env.config_get(0x7fffffff);
  return 0;
}
