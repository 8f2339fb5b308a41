//! Extism for plug-ins in Zig: this file is all there is.
//!
//!     const extism = @import("extism.zig");
//!
//!     export fn greet() i32 {
//!         const name = extism.input();
//!         if (name.len == 0) return extism.fail("who is it?");
//!         extism.output("Hello!");
//!         return 0;
//!     }
//!
//!     zig build-exe plugin.zig -target wasm32-freestanding -fno-entry -rdynamic -O ReleaseSmall
//!
//! Blocks live in the host's memory and are known by their handles; 0 is no block. They live until the call
//! ends. What is read from them is copied into `allocator`, which `forget` empties: call it first in an
//! export that is called often.

const std = @import("std");

/// The host's functions, as the host names them.
pub const env = struct {
    pub extern "extism:host/env" fn alloc(length: u64) u64;
    pub extern "extism:host/env" fn free(block: u64) void;
    pub extern "extism:host/env" fn length(block: u64) u64;
    pub extern "extism:host/env" fn length_unsafe(block: u64) u64;
    pub extern "extism:host/env" fn load_u8(offset: u64) u8;
    pub extern "extism:host/env" fn load_u64(offset: u64) u64;
    pub extern "extism:host/env" fn store_u8(offset: u64, value: u8) void;
    pub extern "extism:host/env" fn store_u64(offset: u64, value: u64) void;
    pub extern "extism:host/env" fn memory_bytes() u64;
    pub extern "extism:host/env" fn reset() void;

    /// Reading past the input's end gives 0; a word that reaches past it too.
    pub extern "extism:host/env" fn input_length() u64;
    pub extern "extism:host/env" fn input_offset() u64;
    pub extern "extism:host/env" fn input_load_u8(index: u64) u8;
    pub extern "extism:host/env" fn input_load_u64(index: u64) u64;
    pub extern "extism:host/env" fn input_set(block: u64, length: u64) void;

    /// Output and error take the block; the last one set counts.
    pub extern "extism:host/env" fn output_set(offset: u64, length: u64) void;
    pub extern "extism:host/env" fn output_offset() u64;
    pub extern "extism:host/env" fn output_length() u64;
    pub extern "extism:host/env" fn error_set(message: u64) void;
    pub extern "extism:host/env" fn error_get() u64;

    /// Keys and values are taken, a given handle is yours.
    pub extern "extism:host/env" fn config_get(key: u64) u64;
    pub extern "extism:host/env" fn var_get(key: u64) u64;
    pub extern "extism:host/env" fn var_set(key: u64, value: u64) void;

    /// The request is JSON; both handles are taken.
    pub extern "extism:host/env" fn http_request(request: u64, body: u64) u64;
    pub extern "extism:host/env" fn http_status_code() i32;
    pub extern "extism:host/env" fn http_headers() u64;

    pub extern "extism:host/env" fn log_trace(message: u64) void;
    pub extern "extism:host/env" fn log_debug(message: u64) void;
    pub extern "extism:host/env" fn log_info(message: u64) void;
    pub extern "extism:host/env" fn log_warn(message: u64) void;
    pub extern "extism:host/env" fn log_error(message: u64) void;
    pub extern "extism:host/env" fn get_log_level() i32;
};

var arena: std.heap.ArenaAllocator = .init(std.heap.wasm_allocator);

/// Where everything goes that is read here; for your own use too.
pub const allocator = arena.allocator();

/// Empties `allocator`.
pub fn forget() void {
    _ = arena.reset(.retain_capacity);
}

/// Returns a new block that holds `text`: 0 for an empty one, which every function takes as empty.
pub fn block(text: []const u8) u64 {
    const handle = env.alloc(text.len);
    var i: usize = 0;
    while (i + 8 <= text.len) : (i += 8) {
        env.store_u64(handle + i, std.mem.readInt(u64, text[i..][0..8], .little));
    }
    while (i < text.len) : (i += 1) env.store_u8(handle + i, text[i]);
    return handle;
}

/// Returns a copy of a block; empty for 0.
pub fn read(handle: u64) []u8 {
    const text = allocator.alloc(u8, @intCast(env.length(handle))) catch @panic("out of memory");
    var i: usize = 0;
    while (i + 8 <= text.len) : (i += 8) {
        std.mem.writeInt(u64, text[i..][0..8], env.load_u64(handle + i), .little);
    }
    while (i < text.len) : (i += 1) text[i] = env.load_u8(handle + i);
    return text;
}

/// As `read`, and frees the block.
pub fn receive(handle: u64) []u8 {
    const text = read(handle);
    env.free(handle);
    return text;
}

/// Returns a copy of the call's input.
pub fn input() []u8 {
    return read(env.input_offset());
}

/// Sets the call's output; the last one counts.
pub fn output(text: []const u8) void {
    env.output_set(block(text), text.len);
}

/// Sets the error text, and returns 1: `return extism.fail("no such user");`
pub fn fail(message: []const u8) i32 {
    env.error_set(block(message));
    return 1;
}

/// Returns the value of a configuration key.
pub fn config(key: []const u8) ?[]u8 {
    const handle = env.config_get(block(key));
    return if (handle == 0) null else receive(handle);
}

/// Variables last from call to call.
pub const vars = struct {
    pub fn get(key: []const u8) ?[]u8 {
        const handle = env.var_get(block(key));
        return if (handle == 0) null else receive(handle);
    }

    pub fn set(key: []const u8, value: []const u8) void {
        const name = block(key);
        env.var_set(name, block(value));
    }

    pub fn remove(key: []const u8) void {
        env.var_set(block(key), 0);
    }
};

pub const http = struct {
    pub const Header = struct { name: []const u8, value: []const u8 };

    pub const Request = struct {
        url: []const u8,
        method: []const u8 = "GET",
        headers: []const Header = &.{},
        body: []const u8 = "",
    };

    pub const Response = struct {
        status: i32,
        body: []u8,
        /// JSON, empty where the host does not grant them.
        headers: []u8,
    };

    /// Sends a request and waits for the response; a request that is not allowed or fails ends the call.
    pub fn send(request: Request) Response {
        var text: Json = .{};
        text.raw("{\"url\":");
        text.string(request.url);
        text.raw(",\"method\":");
        text.string(request.method);
        text.raw(",\"headers\":{");
        for (request.headers, 0..) |header, i| {
            if (i > 0) text.raw(",");
            text.string(header.name);
            text.raw(":");
            text.string(header.value);
        }
        text.raw("}}");
        const sent = block(text.bytes.items);
        const body = receive(env.http_request(sent, block(request.body)));
        return .{
            .status = env.http_status_code(),
            .body = body,
            .headers = receive(env.http_headers()),
        };
    }
};

pub const Level = enum(i32) { trace, debug, info, warn, @"error" };

/// Logs a line, if the host wants lines of that level.
pub fn log(level: Level, message: []const u8) void {
    if (@backingInt(level) < env.get_log_level()) return;
    const handle = block(message);
    switch (level) {
        .trace => env.log_trace(handle),
        .debug => env.log_debug(handle),
        .info => env.log_info(handle),
        .warn => env.log_warn(handle),
        .@"error" => env.log_error(handle),
    }
}

/// As much JSON as a request needs.
const Json = struct {
    bytes: std.ArrayList(u8) = .empty,

    fn raw(self: *Json, text: []const u8) void {
        self.bytes.appendSlice(allocator, text) catch @panic("out of memory");
    }

    fn string(self: *Json, text: []const u8) void {
        const digits = "0123456789abcdef";
        self.raw("\"");
        for (text) |byte| switch (byte) {
            '"', '\\' => self.raw(&.{ '\\', byte }),
            0...0x1f => self.raw(&.{ '\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15] }),
            else => self.raw(&.{byte}),
        };
        self.raw("\"");
    }
};
