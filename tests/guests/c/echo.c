// Gives its input back, in each of the ways in which bytes can cross.

#include "extism-pdk.h"

// Byte by byte, without a copy in this module's memory.
int32_t EXTISM_EXPORTED_FUNCTION(echo_bytes) {
    const uint64_t length = extism_input_length();
    const ExtismHandle block = extism_alloc(length);
    for (uint64_t i = 0; i < length; i++) extism_store_u8(block + i, extism_input_load_u8(i));
    extism_output_set(block, length);
    return 0;
}

// Eight bytes at a time; a word that reaches past the end of the input would read as 0, so the rest goes in bytes.
int32_t EXTISM_EXPORTED_FUNCTION(echo_words) {
    const uint64_t length = extism_input_length();
    const ExtismHandle block = extism_alloc(length);
    uint64_t i = 0;
    for (; i + 8 <= length; i += 8) extism_store_u64(block + i, extism_input_load_u64(i));
    for (; i < length; i++) extism_store_u8(block + i, extism_input_load_u8(i));
    extism_output_set(block, length);
    return 0;
}

// Through this module's own memory.
int32_t EXTISM_EXPORTED_FUNCTION(echo_copy) {
    extism_forget();
    extism_output(extism_input());
    return 0;
}

// The input's own block is the output: nothing is copied.
int32_t EXTISM_EXPORTED_FUNCTION(echo_handle) {
    extism_output_set(extism_input_offset(), extism_input_length());
    return 0;
}
