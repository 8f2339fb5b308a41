//! Counts vowels, and remembers the total of all calls in a variable. The key `vowels` of the configuration
//! says which letters count.

const std = @import("std");
const extism = @import("extism.zig");

export fn count_vowels() i32 {
    extism.forget();
    const vowels = extism.config("vowels") orelse "aeiouAEIOU";

    var count: u64 = 0;
    for (extism.input()) |letter| {
        if (std.mem.indexOfScalar(u8, vowels, letter) != null) count += 1;
    }
    const total = before() + count;
    extism.vars.set("total", std.mem.asBytes(&total));

    var buffer: [128]u8 = undefined;
    const answer = std.fmt.bufPrint(&buffer, "{{\"count\": {d}, \"total\": {d}}}", .{ count, total });
    extism.output(answer catch unreachable);
    return 0;
}

fn before() u64 {
    const stored = extism.vars.get("total") orelse return 0;
    return if (stored.len == 8) std.mem.readInt(u64, stored[0..8], .little) else 0;
}
