//! As much of WASI preview 1 as the guests need, declared by hand: the standard library's way to it changes
//! with every version of Zig.

const imports = struct {
    extern "wasi_snapshot_preview1" fn fd_read(fd: u32, vectors: [*]const Vector, count: usize, done: *usize) u16;
    extern "wasi_snapshot_preview1" fn fd_write(fd: u32, vectors: [*]const Vector, count: usize, done: *usize) u16;
    extern "wasi_snapshot_preview1" fn fd_close(fd: u32) u16;
    extern "wasi_snapshot_preview1" fn fd_prestat_get(fd: u32, prestat: *Prestat) u16;
    extern "wasi_snapshot_preview1" fn fd_prestat_dir_name(fd: u32, path: [*]u8, length: usize) u16;
    extern "wasi_snapshot_preview1" fn path_open(
        directory: u32,
        lookup: u32,
        path: [*]const u8,
        length: usize,
        creation: u16,
        rights: u64,
        inherited: u64,
        flags: u16,
        fd: *u32,
    ) u16;
    extern "wasi_snapshot_preview1" fn args_sizes_get(count: *usize, length: *usize) u16;
};

const Vector = extern struct { start: [*]const u8, length: usize };
const Prestat = extern struct { kind: u8, name_length: usize };
const right_to_read: u64 = 1 << 1;

pub const stdin = 0;
pub const stdout = 1;

/// The first that the host has opened for the plug-in, if any.
pub const first_directory = 3;

pub fn open(directory: u32, path: []const u8) ?u32 {
    var fd: u32 = undefined;
    const error_number = imports.path_open(directory, 1, path.ptr, path.len, 0, right_to_read, 0, 0, &fd);
    return if (error_number == 0) fd else null;
}

pub fn close(fd: u32) void {
    _ = imports.fd_close(fd);
}

pub fn read(fd: u32, room: []u8) ?[]u8 {
    const vector = [_]Vector{.{ .start = room.ptr, .length = room.len }};
    var done: usize = 0;
    return if (imports.fd_read(fd, &vector, 1, &done) == 0) room[0..done] else null;
}

pub fn write(fd: u32, text: []const u8) bool {
    const vector = [_]Vector{.{ .start = text.ptr, .length = text.len }};
    var done: usize = 0;
    return imports.fd_write(fd, &vector, 1, &done) == 0 and done == text.len;
}

pub fn name(directory: u32, room: []u8) ?[]u8 {
    var prestat: Prestat = undefined;
    if (imports.fd_prestat_get(directory, &prestat) != 0 or prestat.name_length > room.len) return null;
    const found = room[0..prestat.name_length];
    return if (imports.fd_prestat_dir_name(directory, found.ptr, found.len) == 0) found else null;
}

pub fn argument_count() usize {
    var count: usize = 0;
    var length: usize = 0;
    return if (imports.args_sizes_get(&count, &length) == 0) count else 0;
}
