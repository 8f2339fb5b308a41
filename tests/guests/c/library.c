// A module that other modules of a plug-in link: functions, and a count that lives as long as the plug-in.

#include "extism-pdk.h"

static uint64_t calls = 0;

EXTISM_EXPORT_AS("upper") ExtismHandle upper(ExtismHandle block) {
    extism_forget();
    ExtismText text = extism_receive(block);
    char *letters = (char *)text.data;
    for (size_t i = 0; i < text.length; i++) {
        if (letters[i] >= 'a' && letters[i] <= 'z') letters[i] -= 32;
    }
    return extism_block(text);
}

EXTISM_EXPORT_AS("next") uint64_t next(void) { return ++calls; }
