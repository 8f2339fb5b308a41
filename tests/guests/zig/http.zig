//! Fetches and posts. The URL is the configuration's, so that the input can be the body.

const std = @import("std");
const extism = @import("extism.zig");

fn url() []const u8 {
    return extism.config("url") orelse "";
}

fn give(response: extism.http.Response) i32 {
    const text = std.fmt.allocPrint(extism.allocator, "{d} {s}", .{ response.status, response.body });
    extism.output(text catch @panic("out of memory"));
    return 0;
}

export fn get() i32 {
    extism.forget();
    return give(extism.http.send(.{ .url = url() }));
}

export fn post() i32 {
    extism.forget();
    return give(extism.http.send(.{
        .url = url(),
        .method = "post",
        .headers = &.{
            .{ .name = "content-type", .value = "text/plain" },
            .{ .name = "x-from", .value = "a \"plug-in\" in Zig" },
        },
        .body = extism.input(),
    }));
}

/// The response's headers, as the host gives them.
export fn headers() i32 {
    extism.forget();
    extism.output(extism.http.send(.{ .url = url() }).headers);
    return 0;
}

/// The status of the last request of this plug-in, as four bytes.
export fn status() i32 {
    const code = extism.env.http_status_code();
    extism.output(std.mem.asBytes(&code));
    return 0;
}
