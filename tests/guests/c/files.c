// Reads and writes files through WASI, with libc. A reactor: its `_initialize` runs once, exports follow.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extism-pdk.h"

static int started = 0;

__attribute__((constructor)) static void start(void) { started++; }

static const char *path(void) {
    ExtismText found;
    if (!extism_config("path", &found)) return "/data/file.txt";
    char *sz = (char *)extism_take(found.length + 1);
    memcpy(sz, found.data, found.length);
    sz[found.length] = 0;
    return sz;
}

static int32_t refused(const char *what) {
    char message[160];
    snprintf(message, sizeof message, "%s: errno %d", what, errno);
    return extism_fail(message);
}

int32_t EXTISM_EXPORTED_FUNCTION(read_file) {
    extism_forget();
    FILE *file = fopen(path(), "rb");
    if (file == NULL) return refused("open");
    char data[4096];
    ExtismText text = {data, fread(data, 1, sizeof data, file)};
    fclose(file);
    extism_output(text);
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(write_file) {
    extism_forget();
    ExtismText text = extism_input();
    FILE *file = fopen(path(), "wb");
    if (file == NULL) return refused("open");
    const size_t written = fwrite(text.data, 1, text.length, file);
    if (fclose(file) != 0 || written != text.length) return refused("write");
    extism_output_sz("written");
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(remove_file) {
    extism_forget();
    return unlink(path()) == 0 ? 0 : refused("unlink");
}

int32_t EXTISM_EXPORTED_FUNCTION(make_folder) {
    extism_forget();
    return mkdir(path(), 0777) == 0 ? 0 : refused("mkdir");
}

// How often the constructor ran before the first call.
int32_t EXTISM_EXPORTED_FUNCTION(starts) { return extism_output_sz(started == 1 ? "once" : "not once"), 0; }

int32_t EXTISM_EXPORTED_FUNCTION(print) {
    extism_forget();
    ExtismText text = extism_input();
    printf("out: %.*s\n", (int)text.length, text.data);
    fflush(stdout);
    fprintf(stderr, "err: %.*s\n", (int)text.length, text.data);
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(variable) {
    const char *home = getenv("HOME");
    extism_output_sz(home == NULL ? "no environment" : home);
    return 0;
}
