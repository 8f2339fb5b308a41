// What lasts: globals from call to call, blocks until the end of a call.

#include "extism-pdk.h"

static uint64_t calls = 0;

static int32_t give(uint64_t number) {
    ExtismText output = {(const char *)&number, sizeof number};
    extism_output(output);
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(count) { return give(++calls); }

int32_t EXTISM_EXPORTED_FUNCTION(count_and_crash) {
    calls++;
    __builtin_trap();
}

// Ten thousand blocks of 10 to 10000 bytes, every third of them freed; gives the sum of the lengths of all
// that the host still knows, which must be the sum of what was asked for and not given back.
int32_t EXTISM_EXPORTED_FUNCTION(allocations) {
    uint64_t kept = 0;
    uint64_t known = 0;
    uint64_t seed = 1;
    for (int i = 0; i < 10000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const uint64_t length = 10 + (seed >> 33) % 9991;
        const ExtismHandle block = extism_alloc(length);
        if (block == 0) return extism_fail("out of memory");
        extism_store_u8(block, 1);
        extism_store_u8(block + length - 1, 2);
        if (i % 3 == 0) {
            extism_free(block);
        } else {
            kept += length;
        }
        known += extism_length(block);
    }
    return known == kept ? give(kept) : extism_fail("a block has a wrong length");
}

// The input is a number of eight bytes: that many bytes are asked for, in one block.
int32_t EXTISM_EXPORTED_FUNCTION(allocate) {
    const ExtismHandle block = extism_alloc(extism_input_load_u64(0));
    return give(extism_length(block));
}
