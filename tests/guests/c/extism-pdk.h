// Extism for plug-ins in C and C++: this header is all there is. It needs no libc and no WASI.
//
//     #include "extism-pdk.h"
//
//     int32_t EXTISM_EXPORTED_FUNCTION(greet) {
//         ExtismText name = extism_input();
//         if (name.length == 0) return extism_fail("who is it?");
//         extism_output_sz("Hello, ");
//         return 0;
//     }
//
//     zig cc -target wasm32-freestanding -Os -nostdlib -Wl,--no-entry -o plugin.wasm plugin.c
//
// Three layers, lowest first:
//   1. the functions of the host, as the host names them, with `extism_` before the name;
//   2. copying between this module's memory and *blocks*, which live in the host's memory;
//   3. what plug-ins are written with: input, output, errors, config, variables, HTTP, logs.
//
// A block is known by its handle, the number that `extism_alloc` gives; 0 is no block. Blocks live until
// the call ends. A function that *takes* a handle frees the block: do not use that handle again.

#ifndef EXTISM_PDK_H
#define EXTISM_PDK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t ExtismHandle;

#define EXTISM_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXTISM_EXPORT_AS(name) __attribute__((export_name(name)))

// A function of the host or of another module: `EXTISM_USER_FUNCTION("add") extern uint64_t add(uint64_t);`
#define EXTISM_USER_FUNCTION(name) EXTISM_IMPORT("extism:host/user", name)

// A function that the host can call; it returns 0, or the code of its failure.
#define EXTISM_EXPORTED_FUNCTION(name) EXTISM_EXPORT_AS(#name) name(void)

// ---- 1. The host's functions ----------------------------------------------------------------------

#define EXTISM_ENV(name) EXTISM_IMPORT("extism:host/env", name) extern

// Blocks.
EXTISM_ENV("alloc") ExtismHandle extism_alloc(uint64_t length);
EXTISM_ENV("free") void extism_free(ExtismHandle block);
EXTISM_ENV("length") uint64_t extism_length(ExtismHandle block);
EXTISM_ENV("length_unsafe") uint64_t extism_length_unsafe(ExtismHandle block);
EXTISM_ENV("load_u8") uint8_t extism_load_u8(uint64_t offset);
EXTISM_ENV("load_u64") uint64_t extism_load_u64(uint64_t offset);
EXTISM_ENV("store_u8") void extism_store_u8(uint64_t offset, uint8_t value);
EXTISM_ENV("store_u64") void extism_store_u64(uint64_t offset, uint64_t value);
EXTISM_ENV("memory_bytes") uint64_t extism_memory_bytes(void);
EXTISM_ENV("reset") void extism_reset(void);

// The input: reading past its end gives 0, a word that reaches past it too.
EXTISM_ENV("input_length") uint64_t extism_input_length(void);
EXTISM_ENV("input_offset") ExtismHandle extism_input_offset(void);
EXTISM_ENV("input_load_u8") uint8_t extism_input_load_u8(uint64_t index);
EXTISM_ENV("input_load_u64") uint64_t extism_input_load_u64(uint64_t index);
EXTISM_ENV("input_set") void extism_input_set(ExtismHandle block, uint64_t length);

// The output and the error: both take the block; the last one set counts.
EXTISM_ENV("output_set") void extism_output_set(uint64_t offset, uint64_t length);
EXTISM_ENV("output_offset") uint64_t extism_output_offset(void);
EXTISM_ENV("output_length") uint64_t extism_output_length(void);
EXTISM_ENV("error_set") void extism_error_set(ExtismHandle message);
EXTISM_ENV("error_get") ExtismHandle extism_error_get(void);

// Configuration and variables: keys and values are taken, a given handle is yours.
EXTISM_ENV("config_get") ExtismHandle extism_config_get(ExtismHandle key);
EXTISM_ENV("var_get") ExtismHandle extism_var_get(ExtismHandle key);
EXTISM_ENV("var_set") void extism_var_set(ExtismHandle key, ExtismHandle value);

// HTTP: the request is JSON, {"url": "...", "method": "...", "headers": {...}}; both handles are taken.
EXTISM_ENV("http_request") ExtismHandle extism_http_request(ExtismHandle request, ExtismHandle body);
EXTISM_ENV("http_status_code") int32_t extism_http_status_code(void);
EXTISM_ENV("http_headers") ExtismHandle extism_http_headers(void);

// Logs: the message is taken.
EXTISM_ENV("log_trace") void extism_log_trace(ExtismHandle message);
EXTISM_ENV("log_debug") void extism_log_debug(ExtismHandle message);
EXTISM_ENV("log_info") void extism_log_info(ExtismHandle message);
EXTISM_ENV("log_warn") void extism_log_warn(ExtismHandle message);
EXTISM_ENV("log_error") void extism_log_error(ExtismHandle message);
EXTISM_ENV("get_log_level") int32_t extism_get_log_level(void);

// ---- 2. Copying -----------------------------------------------------------------------------------

// Some bytes; not ended by a NUL, and owned by nobody.
typedef struct {
    const char *data;
    size_t length;
} ExtismText;

static inline size_t extism_strlen(const char *sz) {
    size_t length = 0;
    while (sz[length] != 0) length++;
    return length;
}

static inline ExtismText extism_text(const char *sz) {
    ExtismText text = {sz, extism_strlen(sz)};
    return text;
}

static inline bool extism_equal(ExtismText a, ExtismText b) {
    if (a.length != b.length) return false;
    for (size_t i = 0; i < a.length; i++) {
        if (a.data[i] != b.data[i]) return false;
    }
    return true;
}

// Copies `length` bytes at `offset` of the host's memory to `target`, a word at a time.
static inline void extism_load(uint64_t offset, void *target, size_t length) {
    uint8_t *to = (uint8_t *)target;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word = extism_load_u64(offset + i);
        __builtin_memcpy(to + i, &word, 8);
    }
    for (; i < length; i++) to[i] = extism_load_u8(offset + i);
}

// Copies `length` bytes of `source` to `offset` of the host's memory.
static inline void extism_store(uint64_t offset, const void *source, size_t length) {
    const uint8_t *from = (const uint8_t *)source;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        __builtin_memcpy(&word, from + i, 8);
        extism_store_u64(offset + i, word);
    }
    for (; i < length; i++) extism_store_u8(offset + i, from[i]);
}

// Returns a new block that holds `text`: 0 for an empty text, which every function takes as empty.
static inline ExtismHandle extism_block(ExtismText text) {
    ExtismHandle block = extism_alloc(text.length);
    extism_store(block, text.data, text.length);
    return block;
}

// Returns room for `length` bytes, zeroed when it is first used, or NULL if memory has run out. All of it is
// given back at once by `extism_forget`.
//
// The room lies in pages that are ours alone, so that this works beside any malloc.
static struct {
    uintptr_t next;
    uintptr_t start;
    uintptr_t end;
} extism_room;

static inline void *extism_take(size_t length) {
    const size_t page = 65536;
    const size_t rounded = (length + 15) & ~(size_t)15;
    if (rounded < length) return NULL;
    if (extism_room.end - extism_room.next < rounded) {
        const size_t pages = (rounded >> 16) + ((rounded & (page - 1)) != 0);
        const size_t grown = __builtin_wasm_memory_grow(0, pages);
        if (grown == (size_t)-1) return NULL;
        if (grown * page != extism_room.end) extism_room.start = extism_room.next = grown * page;
        extism_room.end = (grown + pages) * page;
    }
    void *found = (void *)extism_room.next;
    extism_room.next += rounded;
    return found;
}

// Gives back everything that `extism_take` gave since the room last moved; call it first in an export that
// is called often.
static inline void extism_forget(void) { extism_room.next = extism_room.start; }

// Returns a copy of a block; it is empty for 0, and lasts until `extism_forget`.
static inline ExtismText extism_read(ExtismHandle block) {
    ExtismText text = {"", (size_t)extism_length(block)};
    if (text.length == 0) return text;
    char *copy = (char *)extism_take(text.length);
    if (copy == NULL) __builtin_trap();
    extism_load(block, copy, text.length);
    text.data = copy;
    return text;
}

// As `extism_read`, and frees the block.
static inline ExtismText extism_receive(ExtismHandle block) {
    ExtismText text = extism_read(block);
    extism_free(block);
    return text;
}

// ---- 3. What plug-ins are written with ------------------------------------------------------------

// Returns a copy of the call's input.
static inline ExtismText extism_input(void) { return extism_read(extism_input_offset()); }

// Sets the call's output; the last one counts.
static inline void extism_output(ExtismText text) {
    extism_output_set(extism_block(text), text.length);
}
static inline void extism_output_sz(const char *sz) { extism_output(extism_text(sz)); }

// Sets the error text, and returns 1: `return extism_fail("no such user");`
static inline int32_t extism_fail(const char *message) {
    extism_error_set(extism_block(extism_text(message)));
    return 1;
}

// Gives the value of a configuration key, and tells whether there is one.
static inline bool extism_config(const char *key, ExtismText *value) {
    ExtismHandle block = extism_config_get(extism_block(extism_text(key)));
    *value = extism_receive(block);
    return block != 0;
}

// Gives a variable, and tells whether there is one. Variables last from call to call.
static inline bool extism_var(const char *key, ExtismText *value) {
    ExtismHandle block = extism_var_get(extism_block(extism_text(key)));
    *value = extism_receive(block);
    return block != 0;
}
static inline void extism_var_put(const char *key, ExtismText value) {
    ExtismHandle name = extism_block(extism_text(key));
    extism_var_set(name, extism_block(value));
}
static inline void extism_var_remove(const char *key) {
    extism_var_set(extism_block(extism_text(key)), 0);
}

// A little JSON is needed to say what to fetch: text is appended here, as far as there is room.
typedef struct {
    char *data;
    size_t length;
    size_t room;
} ExtismWriter;

static inline void extism_put(ExtismWriter *out, char byte) {
    if (out->length < out->room) out->data[out->length++] = byte;
}
static inline void extism_put_sz(ExtismWriter *out, const char *sz) {
    while (*sz != 0) extism_put(out, *sz++);
}
static inline void extism_put_json(ExtismWriter *out, ExtismText text) {
    const char *digits = "0123456789abcdef";
    extism_put(out, '"');
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x20) {
            extism_put_sz(out, "\\u00");
            extism_put(out, digits[byte >> 4]);
            extism_put(out, digits[byte & 15]);
            continue;
        }
        if (byte == '"' || byte == '\\') extism_put(out, '\\');
        extism_put(out, (char)byte);
    }
    extism_put(out, '"');
}

typedef struct {
    ExtismText name;
    ExtismText value;
} ExtismHeader;

typedef struct {
    int32_t status;
    ExtismText body;
    ExtismText headers; // JSON, empty where the host does not grant them
} ExtismResponse;

// Sends a request and waits for the response; a request that is not allowed or fails ends the call.
static inline ExtismResponse extism_http(const char *method, ExtismText url,
                                         const ExtismHeader *headers, size_t header_count,
                                         ExtismText body) {
    size_t room = 64 + extism_strlen(method) + 6 * url.length;
    for (size_t i = 0; i < header_count; i++) {
        room += 8 + 6 * (headers[i].name.length + headers[i].value.length);
    }
    ExtismWriter out = {(char *)extism_take(room), 0, room};
    if (out.data == NULL) __builtin_trap();
    extism_put_sz(&out, "{\"method\":");
    extism_put_json(&out, extism_text(method));
    extism_put_sz(&out, ",\"url\":");
    extism_put_json(&out, url);
    extism_put_sz(&out, ",\"headers\":{");
    for (size_t i = 0; i < header_count; i++) {
        if (i > 0) extism_put(&out, ',');
        extism_put_json(&out, headers[i].name);
        extism_put(&out, ':');
        extism_put_json(&out, headers[i].value);
    }
    extism_put_sz(&out, "}}");
    ExtismText request = {out.data, out.length};
    ExtismHandle sent = extism_block(request);
    ExtismResponse response;
    response.body = extism_receive(extism_http_request(sent, extism_block(body)));
    response.status = extism_http_status_code();
    response.headers = extism_receive(extism_http_headers());
    return response;
}

typedef enum {
    EXTISM_LOG_TRACE,
    EXTISM_LOG_DEBUG,
    EXTISM_LOG_INFO,
    EXTISM_LOG_WARN,
    EXTISM_LOG_ERROR,
} ExtismLog;

// Logs a line, if the host wants lines of that level.
static inline void extism_log(ExtismLog level, const char *message) {
    if ((int32_t)level < extism_get_log_level()) return;
    ExtismHandle block = extism_block(extism_text(message));
    switch (level) {
        case EXTISM_LOG_TRACE: extism_log_trace(block); break;
        case EXTISM_LOG_DEBUG: extism_log_debug(block); break;
        case EXTISM_LOG_INFO: extism_log_info(block); break;
        case EXTISM_LOG_WARN: extism_log_warn(block); break;
        case EXTISM_LOG_ERROR: extism_log_error(block); break;
    }
}

#ifdef __cplusplus
}
#endif

#endif
