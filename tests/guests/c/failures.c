// Ends calls badly, in every way that a plug-in in C can.

#include "extism-pdk.h"

int32_t EXTISM_EXPORTED_FUNCTION(fail) { return extism_fail("this did not work: gr\xc3\xbc\xc3\x9f" "e"); }

// The input's first byte is the code.
int32_t EXTISM_EXPORTED_FUNCTION(code) {
    extism_output_sz("output that nobody sees");
    return extism_input_load_u8(0);
}

int32_t EXTISM_EXPORTED_FUNCTION(fail_and_return_zero) {
    extism_fail("an error text is enough");
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(fail_then_succeed) {
    extism_fail("taken back");
    extism_error_set(0);
    extism_output_sz("fine");
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(crash) { __builtin_trap(); }

int32_t EXTISM_EXPORTED_FUNCTION(fail_then_crash) {
    extism_fail("last words");
    __builtin_trap();
}

// The compiler must not know what it divides by.
static volatile int zero = 0;
int32_t EXTISM_EXPORTED_FUNCTION(divide) { return 1 / zero; }

int32_t EXTISM_EXPORTED_FUNCTION(read_wildly) {
    volatile uint8_t *nowhere = (volatile uint8_t *)0xfffffff0u;
    return *nowhere;
}

static int32_t deeper(volatile int32_t *depth) {
    if (*depth < 0) return 0;
    volatile int32_t here[64];
    here[*depth % 64] = *depth;
    *depth += 1;
    return deeper(depth) + here[0];
}
int32_t EXTISM_EXPORTED_FUNCTION(recurse) {
    volatile int32_t depth = 0;
    return deeper(&depth);
}

int32_t EXTISM_EXPORTED_FUNCTION(loop) {
    volatile int going = 1;
    while (going) {}
    return 0;
}

// A block that was never allocated.
int32_t EXTISM_EXPORTED_FUNCTION(wrong_handle) {
    extism_config_get(0x7fffffff);
    return 0;
}
