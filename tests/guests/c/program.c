// A WASI command: `_start` is the export to call. It looks at its arguments, its environment and its standard
// input, and does what the first letter of the plug-in's input says.

#include <stdio.h>
#include <stdlib.h>

#include "extism-pdk.h"

extern char **environ;

static int runs = 0;

int main(int argc, char **argv) {
    (void)argv;
    runs++;
    switch (extism_input_load_u8(0)) {
        case 'e': exit(extism_input_load_u8(1));
        case 'a': abort();
        case 'f': return extism_fail("the program says so");
    }
    char report[128];
    snprintf(report, sizeof report, "args %d, environment %d, stdin %s, run %d", argc,
             environ != NULL && environ[0] != NULL, getchar() == EOF ? "empty" : "not empty", runs);
    extism_output_sz(report);
    return 0;
}

// Another export of the same module: it does not start afresh, but a call of `_start` does.
EXTISM_EXPORT_AS("run_count") int32_t run_count(void) {
    runs++;
    extism_output_sz(runs == 1 ? "one" : runs == 2 ? "two" : "more");
    return 0;
}
