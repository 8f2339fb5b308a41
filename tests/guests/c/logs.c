// Logs one line of each level, and says which level the host wants.

#include "extism-pdk.h"

int32_t EXTISM_EXPORTED_FUNCTION(log_all) {
    extism_log(EXTISM_LOG_TRACE, "a trace");
    extism_log(EXTISM_LOG_DEBUG, "some detail");
    extism_log(EXTISM_LOG_INFO, "a fact");
    extism_log(EXTISM_LOG_WARN, "a warning");
    extism_log(EXTISM_LOG_ERROR, "an error: \xc3\xa9");
    return 0;
}

int32_t EXTISM_EXPORTED_FUNCTION(log_level) {
    const int32_t level = extism_get_log_level();
    ExtismText output = {(const char *)&level, sizeof level};
    extism_output(output);
    return 0;
}
