//! Ends calls badly, in every way that a plug-in in Zig can.

const std = @import("std");
const extism = @import("extism.zig");

/// A panic becomes the call's error text.
pub const panic = std.debug.FullPanic(struct {
    fn told(message: []const u8, _: ?usize) noreturn {
        _ = extism.fail(message);
        @trap();
    }
}.told);

export fn fail() i32 {
    return extism.fail("this did not work: grüße");
}

/// The input's first byte is the code.
export fn code() i32 {
    extism.output("output that nobody sees");
    return extism.env.input_load_u8(0);
}

export fn fail_and_return_zero() i32 {
    _ = extism.fail("an error text is enough");
    return 0;
}

export fn fail_then_succeed() i32 {
    _ = extism.fail("taken back");
    extism.env.error_set(0);
    extism.output("fine");
    return 0;
}

export fn crash() i32 {
    @trap();
}

export fn fail_then_crash() i32 {
    _ = extism.fail("last words");
    @trap();
}

/// The compiler's own checks are on here: the text is the panic's.
export fn past_the_end() i32 {
    @setRuntimeSafety(true);
    const text = extism.input();
    return text[text.len];
}

export fn overflow() i32 {
    @setRuntimeSafety(true);
    var byte = extism.env.input_load_u8(0);
    byte += 1;
    return byte;
}

fn deeper(depth: *volatile i32) i32 {
    var here: [64]i32 = undefined;
    const seen: *volatile [64]i32 = &here;
    seen[@intCast(@mod(depth.*, 64))] = depth.*;
    depth.* += 1;
    return deeper(depth) + seen[0];
}

export fn recurse() i32 {
    var depth: i32 = 0;
    return deeper(&depth);
}

export fn loop() i32 {
    var going = true;
    const seen: *volatile bool = &going;
    while (seen.*) {}
    return 0;
}

/// A block that was never allocated.
export fn wrong_handle() i32 {
    _ = extism.env.config_get(0x7fffffff);
    return 0;
}
