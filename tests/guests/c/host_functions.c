// Calls functions of the host: with numbers, and with texts, which cross as handles of blocks.

#include "extism-pdk.h"

EXTISM_USER_FUNCTION("add") extern uint64_t add(uint64_t a, uint64_t b);
EXTISM_USER_FUNCTION("shout") extern ExtismHandle shout(ExtismHandle text);
EXTISM_USER_FUNCTION("tell") extern void tell(ExtismHandle text);
EXTISM_IMPORT("shop", "price") extern double price(ExtismHandle name, int32_t count);

// The input is two numbers of eight bytes, the output is their sum.
int32_t EXTISM_EXPORTED_FUNCTION(sum) {
    if (extism_input_length() != 16) return extism_fail("two numbers are needed");
    const uint64_t result = add(extism_input_load_u64(0), extism_input_load_u64(8));
    ExtismText output = {(const char *)&result, sizeof result};
    extism_output(output);
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(loud) {
    extism_forget();
    extism_output(extism_receive(shout(extism_block(extism_input()))));
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(say) {
    extism_forget();
    tell(extism_block(extism_input()));
    return 0;
}

// Three of what the input names, as the eight bytes of a double.
int32_t EXTISM_EXPORTED_FUNCTION(buy) {
    extism_forget();
    const double cost = price(extism_block(extism_input()), 3);
    ExtismText output = {(const char *)&cost, sizeof cost};
    extism_output(output);
    return 0;
}
