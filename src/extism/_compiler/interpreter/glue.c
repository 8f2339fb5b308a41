/*
 * The functions that the runtime exports, one for each of its lives.
 *
 * Theory of operation. The module goes through three lives, each a snapshot of the one before:
 *
 *   runtime.wasm   _initialize, py_init   starts Python, reads the stdlib, imports the guest library
 *   base.wasm      py_load                runs the plug-in's module level
 *   plug-in        py_invoke(index)       the first one wakes the copy, then each calls one function
 *                  py_frame(length)       where the parameters and results of a shared function stand
 *
 * Whatever the snapshot holds is shipped. So all that depends on the build host (preopened folders,
 * random state) is reset by the first py_invoke, and until then the host's functions are refused.
 * What Python code can do itself is in boot.py.
 */
#include "glue.h"

#include <string.h>

/* From wasi-libc, which declares it in no header: forget the preopened folders until next asked. */
extern void __wasilibc_reset_preopens(void);

#define EXPORT(name) __attribute__((export_name(name)))

/* How deep C code may nest. CPython assumes 8 MB of native stack under WASI; the engines' default is
 * 512 KiB. A call of Python from C counts as two and takes up to 1300 bytes: 800 trapped in an engine
 * that can be interrupted, 700 did not. The rest is for machines with larger frames; the parser
 * takes its share of what is left (tree.py, MAXSTACK). */
#define C_RECURSION_LIMIT 500

bool building = true;

static PyObject *boot;   /* the module _extism_boot */
static PyObject *invoke; /* extism.invoke.invoke of the guest library */

static PyStatus start_python(void)
{
    PyPreConfig first;
    PyPreConfig_InitIsolatedConfig(&first);
    first.utf8_mode = 1; /* else open() speaks ASCII: there is no locale to ask */
    PyStatus status = Py_PreInitialize(&first);
    if (PyStatus_Exception(status))
        return status;

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.use_hash_seed = 1; /* the order of sets must not differ between two builds */
    config.hash_seed = 0;
    config.site_import = 0;
    config.write_bytecode = 0;
    config.module_search_paths_set = 1;
    status = PyConfig_SetString(&config, &config.home, L"/");
    if (!PyStatus_Exception(status))
        status = PyWideStringList_Append(&config.module_search_paths, L"/lib/python313.zip");
    if (!PyStatus_Exception(status))
        status = PyWideStringList_Append(&config.module_search_paths, L"/guest/library.zip");
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return status;
}

/* Print the pending exception and return 1, the exports' word for failure. */
static int failed(void)
{
    PyErr_Print();
    return 1;
}

/*
 * Start Python. /lib holds python313.zip, the standard library; /guest holds library.zip, with the
 * guest library and _extism_boot, which does the rest. Zips, because listing a folder would leave
 * the build host's inode numbers in libc's buffers.
 */
EXPORT("py_init") int py_init(void)
{
    scrub_while_building();
    PyImport_AppendInittab("_extism", make_extism);
    PyStatus status = start_python();
    if (PyStatus_Exception(status)) {
        fprintf(stderr, "Python did not start: %s: %s\n", status.func ? status.func : "?",
                status.err_msg ? status.err_msg : "?");
        return 1;
    }
    PyThreadState_Get()->c_recursion_remaining = C_RECURSION_LIMIT;
    boot = PyImport_ImportModule("_extism_boot");
    if (boot == NULL)
        return failed();
    invoke = PyObject_CallMethod(boot, "start", NULL);
    if (invoke == NULL)
        return failed();
    give_up_holes(); /* a plug-in's own objects shall not be strewn over the pages that all share */
    return 0;
}

/*
 * Run the plug-in's module level. /app holds bundle.json; result.json is left there, also when the
 * plug-in's code failed (1). A failure of the loader itself is 2, with its traceback on stderr.
 */
EXPORT("py_load") int py_load(void)
{
    __wasilibc_reset_preopens();
    PyObject *code = PyObject_CallMethod(boot, "load", NULL);
    if (code == NULL)
        return failed() + 1;
    int result = (int)PyLong_AsLong(code);
    Py_DECREF(code);
    return result;
}

/* Make a copy of the snapshot its own: no folder, allocator or random number of the build host. */
static bool wake(void)
{
    building = false;
    allocate_as_usual();
    __wasilibc_reset_preopens();
    PyObject *none = PyObject_CallMethod(boot, "wake", NULL);
    Py_XDECREF(none);
    return none != NULL;
}

/* Report the pending exception without Python's help: the guest library could not do it. */
static int last_words(void)
{
    PyObject *exception = PyErr_GetRaisedException();
    PyObject *text = PyUnicode_FromFormat("%s: %S", Py_TYPE(exception)->tp_name, exception);
    PyErr_Clear();
    const char *words = text ? PyUnicode_AsUTF8(text) : NULL;
    if (words == NULL)
        words = Py_TYPE(exception)->tp_name;
    report_error(words, strlen(words));
    Py_XDECREF(text);
    Py_DECREF(exception);
    return 1;
}

/*
 * Call function number `index` of the plug-in. Returns its return code.
 */
EXPORT("py_invoke") int py_invoke(int index)
{
    if (building && !wake())
        return last_words();
    PyObject *number = PyLong_FromLong(index);
    PyObject *code = number ? PyObject_CallOneArg(invoke, number) : NULL;
    Py_XDECREF(number);
    if (code == NULL)
        return last_words();
    long result = PyLong_AsLong(code);
    Py_DECREF(code);
    return result == -1 && PyErr_Occurred() ? last_words() : (int)result;
}

/*
 * Return the address of `length` bytes for the parameters or the results of a shared function: the
 * function that is exported under its name fills them before py_invoke, and reads them after it.
 */
EXPORT("py_frame") void *py_frame(size_t length)
{
    return frame_of(length);
}
