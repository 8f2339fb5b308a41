// Calls functions of the host: with numbers, and with texts, which cross as handles of blocks.

import * as extism from "./extism";

@external("extism:host/user", "add")
declare function add(a: u64, b: u64): u64;
@external("extism:host/user", "shout")
declare function shout(text: u64): u64;
@external("extism:host/user", "tell")
declare function tell(text: u64): void;
@external("shop", "price")
declare function price(name: u64, count: i32): f64;

/** The input is two numbers of eight bytes, the output is their sum. */
export function sum(): i32 {
  if (extism.env.input_length() != 16) return extism.fail("two numbers are needed");
  extism.outputNumber<u64>(add(extism.env.input_load_u64(0), extism.env.input_load_u64(8)));
  return 0;
}

export function loud(): i32 {
  extism.output(extism.receive(shout(extism.block(extism.input()))));
  return 0;
}

export function say(): i32 {
  tell(extism.block(extism.input()));
  return 0;
}

/** Three of what the input names, as the eight bytes of a double. */
export function buy(): i32 {
  extism.outputNumber<f64>(price(extism.block(extism.input()), 3));
  return 0;
}
