//! Calls functions of the host: with numbers, and with texts, which cross as handles of blocks.

const std = @import("std");
const extism = @import("extism.zig");

const host = struct {
    extern "extism:host/user" fn add(a: u64, b: u64) u64;
    extern "extism:host/user" fn shout(text: u64) u64;
    extern "extism:host/user" fn tell(text: u64) void;
    extern "shop" fn price(name: u64, count: i32) f64;
};

/// The input is two numbers of eight bytes, the output is their sum.
export fn sum() i32 {
    if (extism.env.input_length() != 16) return extism.fail("two numbers are needed");
    const result = host.add(extism.env.input_load_u64(0), extism.env.input_load_u64(8));
    extism.output(std.mem.asBytes(&result));
    return 0;
}

export fn loud() i32 {
    extism.forget();
    extism.output(extism.receive(host.shout(extism.block(extism.input()))));
    return 0;
}

export fn say() i32 {
    extism.forget();
    host.tell(extism.block(extism.input()));
    return 0;
}

/// Three of what the input names, as the eight bytes of a double.
export fn buy() i32 {
    extism.forget();
    const cost = host.price(extism.block(extism.input()), 3);
    extism.output(std.mem.asBytes(&cost));
    return 0;
}
