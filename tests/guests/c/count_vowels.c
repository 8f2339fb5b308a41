// Counts vowels, and remembers the total of all calls in a variable. The key `vowels` of the configuration
// says which letters count.

#include "extism-pdk.h"

static bool holds(ExtismText letters, char letter) {
    for (size_t i = 0; i < letters.length; i++) {
        if (letters.data[i] == letter) return true;
    }
    return false;
}

static void put_number(ExtismWriter *out, uint64_t number) {
    if (number >= 10) put_number(out, number / 10);
    extism_put(out, (char)('0' + number % 10));
}

static uint64_t total_before(void) {
    ExtismText stored;
    uint64_t total = 0;
    if (extism_var("total", &stored) && stored.length == sizeof total) {
        __builtin_memcpy(&total, stored.data, sizeof total);
    }
    return total;
}

int32_t EXTISM_EXPORTED_FUNCTION(count_vowels) {
    extism_forget();
    ExtismText text = extism_input();
    ExtismText vowels;
    if (!extism_config("vowels", &vowels)) vowels = extism_text("aeiouAEIOU");

    uint64_t count = 0;
    for (size_t i = 0; i < text.length; i++) count += holds(vowels, text.data[i]);

    const uint64_t total = total_before() + count;
    ExtismText stored = {(const char *)&total, sizeof total};
    extism_var_put("total", stored);

    char buffer[128];
    ExtismWriter out = {buffer, 0, sizeof buffer};
    extism_put_sz(&out, "{\"count\": ");
    put_number(&out, count);
    extism_put_sz(&out, ", \"total\": ");
    put_number(&out, total);
    extism_put_sz(&out, "}");
    ExtismText answer = {out.data, out.length};
    extism_output(answer);
    return 0;
}
