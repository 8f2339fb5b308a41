//! What lasts: globals from call to call, blocks until the end of a call.

const std = @import("std");
const extism = @import("extism.zig");
const env = extism.env;

var calls: u64 = 0;

fn give(number: u64) i32 {
    extism.output(std.mem.asBytes(&number));
    return 0;
}

export fn count() i32 {
    calls += 1;
    return give(calls);
}

export fn count_and_crash() i32 {
    calls += 1;
    @trap();
}

/// Ten thousand blocks of 10 to 10000 bytes, every third of them freed; gives the sum of the lengths of all
/// that the host still knows, which must be the sum of what was asked for and not given back.
export fn allocations() i32 {
    var kept: u64 = 0;
    var known: u64 = 0;
    var seed: u64 = 1;
    for (0..10000) |i| {
        seed = seed *% 6364136223846793005 +% 1442695040888963407;
        const length = 10 + (seed >> 33) % 9991;
        const block = env.alloc(length);
        if (block == 0) return extism.fail("out of memory");
        env.store_u8(block, 1);
        env.store_u8(block + length - 1, 2);
        if (i % 3 == 0) env.free(block) else kept += length;
        known += env.length(block);
    }
    return if (known == kept) give(kept) else extism.fail("a block has a wrong length");
}

/// The input is a number of eight bytes: that many bytes are asked for, in one block.
export fn allocate() i32 {
    return give(env.length(env.alloc(env.input_load_u64(0))));
}
