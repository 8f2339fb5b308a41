// Gives its input back, in each of the ways in which bytes can cross.

import * as extism from "./extism";
import { env } from "./extism";

/** Byte by byte, without a copy in this module's memory. */
export function echo_bytes(): i32 {
  const length = env.input_length();
  const block = env.alloc(length);
  for (let i: u64 = 0; i < length; i++) env.store_u8(block + i, env.input_load_u8(i));
  env.output_set(block, length);
  return 0;
}

/** Eight bytes at a time; a word that reaches past the input's end would read as 0, so the rest goes in bytes. */
export function echo_words(): i32 {
  const length = env.input_length();
  const block = env.alloc(length);
  let i: u64 = 0;
  for (; i + 8 <= length; i += 8) env.store_u64(block + i, env.input_load_u64(i));
  for (; i < length; i++) env.store_u8(block + i, env.input_load_u8(i));
  env.output_set(block, length);
  return 0;
}

/** Through this module's own memory. */
export function echo_copy(): i32 {
  extism.outputBytes(extism.inputBytes());
  return 0;
}

/** The input's own block is the output: nothing is copied. */
export function echo_handle(): i32 {
  env.output_set(env.input_offset(), env.input_length());
  return 0;
}
