//! Logs one line of each level, and says which level the host wants.

const std = @import("std");
const extism = @import("extism.zig");

export fn log_all() i32 {
    extism.log(.trace, "a trace");
    extism.log(.debug, "some detail");
    extism.log(.info, "a fact");
    extism.log(.warn, "a warning");
    extism.log(.@"error", "an error: é");
    return 0;
}

export fn log_level() i32 {
    const level = extism.env.get_log_level();
    extism.output(std.mem.asBytes(&level));
    return 0;
}
