//! Gives its input back, in each of the ways in which bytes can cross.

const extism = @import("extism.zig");
const env = extism.env;

/// Byte by byte, without a copy in this module's memory.
export fn echo_bytes() i32 {
    const length = env.input_length();
    const block = env.alloc(length);
    var i: u64 = 0;
    while (i < length) : (i += 1) env.store_u8(block + i, env.input_load_u8(i));
    env.output_set(block, length);
    return 0;
}

/// Eight bytes at a time; a word that reaches past the input's end would read as 0, so the rest goes in bytes.
export fn echo_words() i32 {
    const length = env.input_length();
    const block = env.alloc(length);
    var i: u64 = 0;
    while (i + 8 <= length) : (i += 8) env.store_u64(block + i, env.input_load_u64(i));
    while (i < length) : (i += 1) env.store_u8(block + i, env.input_load_u8(i));
    env.output_set(block, length);
    return 0;
}

/// Through this module's own memory.
export fn echo_copy() i32 {
    extism.forget();
    extism.output(extism.input());
    return 0;
}

/// The input's own block is the output: nothing is copied.
export fn echo_handle() i32 {
    env.output_set(env.input_offset(), env.input_length());
    return 0;
}
