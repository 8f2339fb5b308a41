//! A WASI command: `_start` is the export to call. It reads its standard input and writes to its standard
//! output, and ends with the code that the plug-in's input names.

const std = @import("std");
const extism = @import("extism.zig");
const wasi = @import("wasi.zig");

var runs: u32 = 0;

pub fn main() u8 {
    runs += 1;
    var data: [16]u8 = undefined;
    const read = wasi.read(wasi.stdin, &data) orelse return 99;
    _ = wasi.write(wasi.stdout, "written to standard output\n");
    var buffer: [64]u8 = undefined;
    const report = std.fmt.bufPrint(&buffer, "args {d}, stdin {d} bytes, run {d}", .{
        wasi.argument_count(), read.len, runs,
    });
    extism.output(report catch unreachable);
    return extism.env.input_load_u8(0);
}
