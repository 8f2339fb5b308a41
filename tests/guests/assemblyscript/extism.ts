// Extism for plug-ins in AssemblyScript: this file is all there is.
//
//     import * as extism from "./extism";
//
//     export function greet(): i32 {
//       const name = extism.input();
//       if (name.length == 0) return extism.fail("who is it?");
//       extism.output(`Hello, ${name}!`);
//       return 0;
//     }
//
//     asc plugin.ts -O --use abort=extism/abort --outFile plugin.wasm
//
// Blocks live in the host's memory and are known by their handles; 0 is no block. They live until the call
// ends. A function that *takes* a handle frees the block: do not use that handle again.

/** The host's functions, as the host names them. */
export namespace env {
  @external("extism:host/env", "alloc")
  export declare function alloc(length: u64): u64;
  @external("extism:host/env", "free")
  export declare function free(block: u64): void;
  @external("extism:host/env", "length")
  export declare function length(block: u64): u64;
  @external("extism:host/env", "length_unsafe")
  export declare function length_unsafe(block: u64): u64;
  @external("extism:host/env", "load_u8")
  export declare function load_u8(offset: u64): u8;
  @external("extism:host/env", "load_u64")
  export declare function load_u64(offset: u64): u64;
  @external("extism:host/env", "store_u8")
  export declare function store_u8(offset: u64, value: u8): void;
  @external("extism:host/env", "store_u64")
  export declare function store_u64(offset: u64, value: u64): void;
  @external("extism:host/env", "memory_bytes")
  export declare function memory_bytes(): u64;
  @external("extism:host/env", "reset")
  export declare function reset(): void;

  // Reading past the input's end gives 0; a word that reaches past it too.
  @external("extism:host/env", "input_length")
  export declare function input_length(): u64;
  @external("extism:host/env", "input_offset")
  export declare function input_offset(): u64;
  @external("extism:host/env", "input_load_u8")
  export declare function input_load_u8(index: u64): u8;
  @external("extism:host/env", "input_load_u64")
  export declare function input_load_u64(index: u64): u64;
  @external("extism:host/env", "input_set")
  export declare function input_set(block: u64, length: u64): void;

  // Output and error take the block; the last one set counts.
  @external("extism:host/env", "output_set")
  export declare function output_set(offset: u64, length: u64): void;
  @external("extism:host/env", "output_offset")
  export declare function output_offset(): u64;
  @external("extism:host/env", "output_length")
  export declare function output_length(): u64;
  @external("extism:host/env", "error_set")
  export declare function error_set(message: u64): void;
  @external("extism:host/env", "error_get")
  export declare function error_get(): u64;

  // Keys and values are taken, a given handle is yours.
  @external("extism:host/env", "config_get")
  export declare function config_get(key: u64): u64;
  @external("extism:host/env", "var_get")
  export declare function var_get(key: u64): u64;
  @external("extism:host/env", "var_set")
  export declare function var_set(key: u64, value: u64): void;

  // The request is JSON; both handles are taken.
  @external("extism:host/env", "http_request")
  export declare function http_request(request: u64, body: u64): u64;
  @external("extism:host/env", "http_status_code")
  export declare function http_status_code(): i32;
  @external("extism:host/env", "http_headers")
  export declare function http_headers(): u64;

  @external("extism:host/env", "log_trace")
  export declare function log_trace(message: u64): void;
  @external("extism:host/env", "log_debug")
  export declare function log_debug(message: u64): void;
  @external("extism:host/env", "log_info")
  export declare function log_info(message: u64): void;
  @external("extism:host/env", "log_warn")
  export declare function log_warn(message: u64): void;
  @external("extism:host/env", "log_error")
  export declare function log_error(message: u64): void;
  @external("extism:host/env", "get_log_level")
  export declare function get_log_level(): i32;
}

/** What the runtime calls when an exception is thrown: the call's error text says what and where. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const text = message ? message : "aborted";
  const place = file ? file : "?";
  env.error_set(block(`${text} (${place}:${line}:${column})`));
  unreachable();
}

// ---- Blocks ------------------------------------------------------------------------------------

/** Returns a new block that holds `bytes`: 0 for none, which every function takes as empty. */
export function blockOf(bytes: Uint8Array): u64 {
  const handle = env.alloc(bytes.length);
  const start = bytes.dataStart;
  let i: u32 = 0;
  const length: u32 = bytes.length;
  for (; i + 8 <= length; i += 8) env.store_u64(handle + i, load<u64>(start + i));
  for (; i < length; i++) env.store_u8(handle + i, load<u8>(start + i));
  return handle;
}

/** Returns a new block that holds `text` as UTF-8. */
export function block(text: string): u64 {
  return blockOf(Uint8Array.wrap(String.UTF8.encode(text)));
}

/** Returns a copy of a block; empty for 0. */
export function readBytes(handle: u64): Uint8Array {
  const length = <u32>env.length(handle);
  const bytes = new Uint8Array(length);
  const start = bytes.dataStart;
  let i: u32 = 0;
  for (; i + 8 <= length; i += 8) store<u64>(start + i, env.load_u64(handle + i));
  for (; i < length; i++) store<u8>(start + i, env.load_u8(handle + i));
  return bytes;
}

/** Returns a copy of a block, and frees the block. */
export function receiveBytes(handle: u64): Uint8Array {
  const bytes = readBytes(handle);
  env.free(handle);
  return bytes;
}

/** Returns the text that a block holds, and frees the block. */
export function receive(handle: u64): string {
  return String.UTF8.decode(receiveBytes(handle).buffer);
}

// ---- Input, output, error ----------------------------------------------------------------------

export function inputBytes(): Uint8Array {
  return readBytes(env.input_offset());
}

export function input(): string {
  return String.UTF8.decode(inputBytes().buffer);
}

/** Sets the call's output; the last one counts. */
export function outputBytes(bytes: Uint8Array): void {
  env.output_set(blockOf(bytes), bytes.length);
}

export function output(text: string): void {
  outputBytes(Uint8Array.wrap(String.UTF8.encode(text)));
}

/** Sets the output to the eight bytes of a number. */
export function outputNumber<T extends number>(number: T): void {
  const bytes = new Uint8Array(sizeof<T>());
  store<T>(bytes.dataStart, number);
  outputBytes(bytes);
}

/** Sets the error text, and returns 1: `return extism.fail("no such user");` */
export function fail(message: string): i32 {
  env.error_set(block(message));
  return 1;
}

// ---- Configuration and variables ---------------------------------------------------------------

/** Returns the value of a configuration key. */
export function config(key: string): string | null {
  const handle = env.config_get(block(key));
  return handle == 0 ? null : receive(handle);
}

/** Variables last from call to call. */
export namespace vars {
  export function getBytes(key: string): Uint8Array | null {
    const handle = env.var_get(block(key));
    return handle == 0 ? null : receiveBytes(handle);
  }

  export function get(key: string): string | null {
    const bytes = getBytes(key);
    return bytes ? String.UTF8.decode(bytes.buffer) : null;
  }

  export function setBytes(key: string, value: Uint8Array): void {
    const name = block(key);
    env.var_set(name, blockOf(value));
  }

  export function set(key: string, value: string): void {
    setBytes(key, Uint8Array.wrap(String.UTF8.encode(value)));
  }

  export function remove(key: string): void {
    env.var_set(block(key), 0);
  }
}

// ---- HTTP --------------------------------------------------------------------------------------

export class Request {
  headers: Map<string, string> = new Map();

  constructor(
    public url: string,
    public method: string = "GET",
    public body: Uint8Array | null = null,
  ) {}

  /** Sends the request and waits for the response; one that is not allowed or fails ends the call. */
  send(): Response {
    const names = this.headers.keys();
    const headers = new Array<string>();
    for (let i = 0; i < names.length; i++) {
      headers.push(`${json(names[i])}:${json(this.headers.get(names[i]))}`);
    }
    const text =
      `{"url":${json(this.url)},"method":${json(this.method)},"headers":{${headers.join(",")}}}`;
    const sent = block(text);
    const content = this.body;
    const body = receiveBytes(env.http_request(sent, content ? blockOf(content) : 0));
    return new Response(env.http_status_code(), body, receive(env.http_headers()));
  }
}

export class Response {
  constructor(
    public status: i32,
    public body: Uint8Array,
    /** JSON, empty where the host does not grant them. */
    public headers: string,
  ) {}

  text(): string {
    return String.UTF8.decode(this.body.buffer);
  }
}

/** Returns a text as JSON has it. */
function json(text: string): string {
  let out = '"';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20) {
      out += "\\u00" + (code < 0x10 ? "0" : "") + code.toString(16);
    } else {
      if (code == 0x22 || code == 0x5c) out += "\\";
      out += text.charAt(i);
    }
  }
  return out + '"';
}

// ---- Logs --------------------------------------------------------------------------------------

export enum Level {
  Trace,
  Debug,
  Info,
  Warn,
  Error,
}

/** Logs a line, if the host wants lines of that level. */
export function log(level: Level, message: string): void {
  if (<i32>level < env.get_log_level()) return;
  const handle = block(message);
  switch (level) {
    case Level.Trace:
      return env.log_trace(handle);
    case Level.Debug:
      return env.log_debug(handle);
    case Level.Info:
      return env.log_info(handle);
    case Level.Warn:
      return env.log_warn(handle);
    default:
      return env.log_error(handle);
  }
}
