// A plug-in that links the module `library`.

#include "extism-pdk.h"

EXTISM_IMPORT("library", "upper") extern ExtismHandle upper(ExtismHandle text);
EXTISM_IMPORT("library", "next") extern uint64_t next(void);

int32_t EXTISM_EXPORTED_FUNCTION(shout) {
    extism_forget();
    extism_output(extism_receive(upper(extism_block(extism_input()))));
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(count) {
    const uint64_t number = next();
    ExtismText output = {(const char *)&number, sizeof number};
    extism_output(output);
    return 0;
}
