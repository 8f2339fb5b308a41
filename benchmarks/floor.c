/* What cannot be undercut, timed without Python: the engine's own way into a function, and a copy of memory. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* wasmtime_func_call_unchecked, of the engine's C interface */
typedef void *(*call_unchecked)(void *context, const void *function, void *values, size_t count, void **trap);

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

/* Seconds of `times` calls of a function from () to (i32), or -1 if one of them failed. */
double call_seconds(call_unchecked call, void *context, const void *function, size_t times) {
    uint64_t values[2] = {0, 0}; /* one slot of 16 bytes */
    void *trap = NULL;
    double started = now();
    for (size_t i = 0; i < times; i++) {
        if (call(context, function, values, 1, &trap) != NULL || trap != NULL) return -1.0;
    }
    return now() - started;
}

/* Seconds of `times` copies; through a volatile pointer, or the compiler would do one of them. */
double copy_seconds(void *to, const void *from, size_t size, size_t times) {
    void *(*volatile copy)(void *, const void *, size_t) = memcpy;
    double started = now();
    for (size_t i = 0; i < times; i++) copy(to, from, size);
    return now() - started;
}
