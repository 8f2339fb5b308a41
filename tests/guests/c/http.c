// Fetches and posts. The URL is the configuration's, so that the input can be the body.

#include "extism-pdk.h"

static ExtismText url(void) {
    ExtismText found;
    if (!extism_config("url", &found)) found = extism_text("");
    return found;
}

static void give(ExtismResponse response) {
    char *data = (char *)extism_take(response.body.length + response.headers.length + 8);
    if (data == NULL) __builtin_trap();
    ExtismWriter out = {data, 0, response.body.length + response.headers.length + 8};
    extism_put(&out, (char)('0' + response.status / 100 % 10));
    extism_put(&out, (char)('0' + response.status / 10 % 10));
    extism_put(&out, (char)('0' + response.status % 10));
    extism_put(&out, ' ');
    for (size_t i = 0; i < response.body.length; i++) extism_put(&out, response.body.data[i]);
    ExtismText answer = {out.data, out.length};
    extism_output(answer);
}

int32_t EXTISM_EXPORTED_FUNCTION(get) {
    extism_forget();
    ExtismText nothing = {NULL, 0};
    give(extism_http("GET", url(), NULL, 0, nothing));
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(post) {
    extism_forget();
    const ExtismHeader headers[] = {
        {extism_text("content-type"), extism_text("text/plain")},
        {extism_text("x-from"), extism_text("a \"plug-in\" in C")},
    };
    give(extism_http("post", url(), headers, 2, extism_input()));
    return 0;
}

// The response's headers, as the host gives them.
int32_t EXTISM_EXPORTED_FUNCTION(headers) {
    extism_forget();
    ExtismText nothing = {NULL, 0};
    extism_output(extism_http("GET", url(), NULL, 0, nothing).headers);
    return 0;
}

// The status of the last request of this plug-in, as four bytes.
int32_t EXTISM_EXPORTED_FUNCTION(status) {
    const int32_t code = extism_http_status_code();
    ExtismText output = {(const char *)&code, sizeof code};
    extism_output(output);
    return 0;
}
