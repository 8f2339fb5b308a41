//! A WASI reactor: `_initialize` runs once, before the first call. It reads the file that the configuration
//! names, from the first directory that the host has opened for it.

const std = @import("std");
const extism = @import("extism.zig");
const wasi = @import("wasi.zig");

var starts: u32 = 0;

export fn _initialize() void {
    starts += 1;
}

/// How often `_initialize` ran before the first call.
export fn start_count() i32 {
    extism.output(std.mem.asBytes(&starts));
    return 0;
}

export fn read_file() i32 {
    extism.forget();
    const path = extism.config("path") orelse return extism.fail("no path is configured");
    const file = wasi.open(wasi.first_directory, path) orelse return extism.fail("it cannot be opened");
    defer wasi.close(file);
    var data: [4096]u8 = undefined;
    extism.output(wasi.read(file, &data) orelse return extism.fail("it cannot be read"));
    return 0;
}

export fn directory() i32 {
    var name: [256]u8 = undefined;
    extism.output(wasi.name(wasi.first_directory, &name) orelse "no directory");
    return 0;
}
