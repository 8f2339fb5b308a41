/*
 * The built-in module `_extism`: the functions of `extism:host/env` for Python, and how bytes cross
 * into kernel memory and back, eight at a time. What the values mean is the guest library's matter.
 */
#include "glue.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HOST(name) __attribute__((import_module("extism:host/env"), import_name(name)))

HOST("alloc") uint64_t host_alloc(uint64_t length);
HOST("free") void host_free(uint64_t handle);
HOST("length") uint64_t host_length(uint64_t handle);
HOST("load_u8") uint32_t host_load_u8(uint64_t offset);
HOST("load_u64") uint64_t host_load_u64(uint64_t offset);
HOST("store_u8") void host_store_u8(uint64_t offset, uint32_t value);
HOST("store_u64") void host_store_u64(uint64_t offset, uint64_t value);
HOST("input_length") uint64_t host_input_length(void);
HOST("input_load_u8") uint32_t host_input_load_u8(uint64_t index);
HOST("input_load_u64") uint64_t host_input_load_u64(uint64_t index);
HOST("output_set") void host_output_set(uint64_t offset, uint64_t length);
HOST("error_set") void host_error_set(uint64_t handle);
HOST("config_get") uint64_t host_config_get(uint64_t key);
HOST("var_get") uint64_t host_var_get(uint64_t key);
HOST("var_set") void host_var_set(uint64_t key, uint64_t value);
HOST("http_request") uint64_t host_http_request(uint64_t request, uint64_t body);
HOST("http_status_code") uint32_t host_http_status_code(void);
HOST("http_headers") uint64_t host_http_headers(void);
HOST("log_trace") void host_log_trace(uint64_t message);
HOST("log_debug") void host_log_debug(uint64_t message);
HOST("log_info") void host_log_info(uint64_t message);
HOST("log_warn") void host_log_warn(uint64_t message);
HOST("log_error") void host_log_error(uint64_t message);
HOST("get_log_level") uint32_t host_get_log_level(void);

/* Return a new handle holding the bytes, 0 for no bytes; on failure 0 with MemoryError set. */
static uint64_t store(const char *data, size_t length)
{
    if (length == 0)
        return 0;
    uint64_t handle = host_alloc(length);
    if (handle == 0) {
        PyErr_Format(PyExc_MemoryError, "the host has no memory for a block of %zu bytes", length);
        return 0;
    }
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        host_store_u64(handle + i, word);
    }
    for (; i < length; i++)
        host_store_u8(handle + i, (unsigned char)data[i]);
    return handle;
}

static uint64_t store_object(PyObject *object)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0)
        return 0;
    uint64_t handle = store(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return handle;
}

typedef uint32_t (*load_u8)(uint64_t);
typedef uint64_t (*load_u64)(uint64_t);

static PyObject *fetch(uint64_t start, uint64_t length, load_u64 wide, load_u8 narrow)
{
    if (length > PY_SSIZE_T_MAX)
        return PyErr_NoMemory();
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    if (bytes == NULL)
        return NULL;
    char *data = PyBytes_AS_STRING(bytes);
    uint64_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t word = wide(start + i);
        memcpy(data + i, &word, 8);
    }
    for (; i < length; i++)
        data[i] = (char)narrow(start + i);
    return bytes;
}

static PyObject *load(uint64_t handle)
{
    return fetch(handle, host_length(handle), host_load_u64, host_load_u8);
}

/* Return the bytes of a handle that the guest owns, and free it; `missing` for the null handle. */
static PyObject *take(uint64_t handle, PyObject *missing)
{
    if (handle == 0)
        return missing;
    PyObject *bytes = load(handle);
    host_free(handle);
    return bytes;
}

void report_error(const char *text, size_t length)
{
    host_error_set(store(text, length));
    PyErr_Clear();
}

/* Raise, while the plug-in is built, what the author calls by its `name` in the guest library. */
static bool refused(const char *name)
{
    if (building)
        PyErr_Format(PyExc_RuntimeError,
                     "module-level code runs when the plug-in is built; %s can only be used inside "
                     "a plug-in function",
                     name);
    return building;
}

/* Convert an int of any size and sign to its value modulo 2^64. */
static bool as_u64(PyObject *object, uint64_t *value)
{
    if (!PyLong_Check(object)) {
        PyErr_Format(PyExc_TypeError, "an int is needed, not %.200s", Py_TYPE(object)->tp_name);
        return false;
    }
    *value = PyLong_AsUnsignedLongLongMask(object);
    return !PyErr_Occurred();
}

static PyObject *ext_input(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    if (refused("the input"))
        return NULL;
    return fetch(0, host_input_length(), host_input_load_u64, host_input_load_u8);
}

static PyObject *ext_output(PyObject *Py_UNUSED(module), PyObject *data)
{
    Py_buffer view;
    if (refused("the output") || PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    uint64_t length = (uint64_t)view.len;
    /* output_set(0, 0) does nothing on some hosts: only a real block clears an earlier output. */
    uint64_t handle = length ? store(view.buf, (size_t)length) : store("", 1);
    PyBuffer_Release(&view);
    if (PyErr_Occurred())
        return NULL;
    host_output_set(handle, length);
    Py_RETURN_NONE;
}

static PyObject *ext_error(PyObject *Py_UNUSED(module), PyObject *text)
{
    if (refused("set_error"))
        return NULL;
    uint64_t handle = store_object(text);
    if (PyErr_Occurred())
        return NULL;
    host_error_set(handle);
    Py_RETURN_NONE;
}

static PyObject *ext_config_get(PyObject *Py_UNUSED(module), PyObject *key)
{
    if (refused("Config"))
        return NULL;
    uint64_t handle = store_object(key);
    return PyErr_Occurred() ? NULL : take(host_config_get(handle), Py_None);
}

static PyObject *ext_var_get(PyObject *Py_UNUSED(module), PyObject *key)
{
    if (refused("Var"))
        return NULL;
    uint64_t handle = store_object(key);
    return PyErr_Occurred() ? NULL : take(host_var_get(handle), Py_None);
}

/* Store both of two values, the second only if it is not None; on failure neither block remains. */
static bool store_two(PyObject *first, PyObject *second, uint64_t handles[2])
{
    handles[0] = store_object(first);
    if (PyErr_Occurred())
        return false;
    handles[1] = Py_IsNone(second) ? 0 : store_object(second);
    if (PyErr_Occurred()) {
        host_free(handles[0]);
        return false;
    }
    return true;
}

static PyObject *ext_var_set(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *key, *value;
    uint64_t handles[2];
    if (refused("Var") || !PyArg_ParseTuple(args, "OO:var_set", &key, &value) ||
        !store_two(key, value, handles))
        return NULL;
    host_var_set(handles[0], handles[1]);
    Py_RETURN_NONE;
}

static PyObject *ext_http_request(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *request, *body;
    uint64_t handles[2];
    if (refused("Http") || !PyArg_ParseTuple(args, "OO:http_request", &request, &body) ||
        !store_two(request, body, handles))
        return NULL;
    uint64_t response = host_http_request(handles[0], handles[1]);
    return response ? take(response, NULL) : PyBytes_FromStringAndSize(NULL, 0);
}

static PyObject *ext_http_status_code(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return refused("Http") ? NULL : PyLong_FromUnsignedLong(host_http_status_code());
}

static PyObject *ext_http_headers(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return refused("Http") ? NULL : take(host_http_headers(), Py_None);
}

static PyObject *ext_log(PyObject *Py_UNUSED(module), PyObject *args)
{
    static void (*const levels[])(uint64_t) = {host_log_trace, host_log_debug, host_log_info,
                                               host_log_warn, host_log_error};
    int level;
    PyObject *message;
    if (refused("log") || !PyArg_ParseTuple(args, "iO:log", &level, &message))
        return NULL;
    if (level < 0 || level > 4)
        return PyErr_Format(PyExc_ValueError, "log level %d is not between 0 and 4", level);
    uint64_t handle = store_object(message);
    if (PyErr_Occurred())
        return NULL;
    levels[level](handle);
    Py_RETURN_NONE;
}

static PyObject *ext_log_level(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return refused("log") ? NULL : PyLong_FromLong((int32_t)host_get_log_level());
}

static PyObject *ext_alloc(PyObject *Py_UNUSED(module), PyObject *object)
{
    uint64_t length;
    if (refused("memory") || !as_u64(object, &length))
        return NULL;
    return PyLong_FromUnsignedLongLong(host_alloc(length));
}

static PyObject *ext_free(PyObject *Py_UNUSED(module), PyObject *object)
{
    uint64_t handle;
    if (refused("memory") || !as_u64(object, &handle))
        return NULL;
    host_free(handle);
    Py_RETURN_NONE;
}

static PyObject *ext_length(PyObject *Py_UNUSED(module), PyObject *object)
{
    uint64_t handle;
    if (refused("memory") || !as_u64(object, &handle))
        return NULL;
    return PyLong_FromUnsignedLongLong(host_length(handle));
}

static PyObject *ext_load(PyObject *Py_UNUSED(module), PyObject *object)
{
    uint64_t handle;
    if (refused("memory") || !as_u64(object, &handle))
        return NULL;
    /* The kernel has no block of length 0, so length 0 says that there is no block. */
    if (host_length(handle) == 0)
        Py_RETURN_NONE;
    return load(handle);
}

static PyObject *ext_store(PyObject *Py_UNUSED(module), PyObject *data)
{
    if (refused("memory or a host function"))
        return NULL;
    uint64_t handle = store_object(data);
    return PyErr_Occurred() ? NULL : PyLong_FromUnsignedLongLong(handle);
}

/* Call a function of the table. `frame` is a bytearray of 8 bytes for each parameter or result,
 * whichever are more: the wrapper behind the slot takes its parameters from there and leaves its
 * results there. The cast of a slot's number to a function pointer compiles to call_indirect. */
static PyObject *ext_call_slot(PyObject *Py_UNUSED(module), PyObject *args)
{
    typedef void (*slot_function)(void *);
    unsigned int slot;
    Py_buffer frame;
    if (refused("a host function") || !PyArg_ParseTuple(args, "Iw*:call_slot", &slot, &frame))
        return NULL;
    ((slot_function)(uintptr_t)slot)(frame.buf);
    PyBuffer_Release(&frame);
    Py_RETURN_NONE;
}

/* The frame of a shared function, as above. One is enough: parameters are read before the author's
 * code runs, results are written when it has run, and the exported function asks anew where it is. */
static struct {
    char *start;
    size_t length;
} frame;

void *frame_of(size_t length)
{
    if (length > frame.length) {
        char *start = realloc(frame.start, length);
        if (start == NULL)
            abort();
        frame.start = start;
        frame.length = length;
    }
    return frame.start;
}

static PyObject *ext_parameters(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    if (refused("parameters"))
        return NULL;
    return PyBytes_FromStringAndSize(frame.start, (Py_ssize_t)frame.length);
}

static PyObject *ext_results(PyObject *Py_UNUSED(module), PyObject *data)
{
    Py_buffer view;
    if (refused("results") || PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    memcpy(frame_of((size_t)view.len), view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    Py_RETURN_NONE;
}

static PyObject *ext_is_building(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    return PyBool_FromLong(building);
}

static PyMethodDef methods[] = {
    {"input", ext_input, METH_NOARGS, NULL},
    {"output", ext_output, METH_O, NULL},
    {"error", ext_error, METH_O, NULL},
    {"config_get", ext_config_get, METH_O, NULL},
    {"var_get", ext_var_get, METH_O, NULL},
    {"var_set", ext_var_set, METH_VARARGS, NULL},
    {"http_request", ext_http_request, METH_VARARGS, NULL},
    {"http_status_code", ext_http_status_code, METH_NOARGS, NULL},
    {"http_headers", ext_http_headers, METH_NOARGS, NULL},
    {"log", ext_log, METH_VARARGS, NULL},
    {"log_level", ext_log_level, METH_NOARGS, NULL},
    {"alloc", ext_alloc, METH_O, NULL},
    {"free", ext_free, METH_O, NULL},
    {"length", ext_length, METH_O, NULL},
    {"load", ext_load, METH_O, NULL},
    {"store", ext_store, METH_O, NULL},
    {"call_slot", ext_call_slot, METH_VARARGS, NULL},
    {"parameters", ext_parameters, METH_NOARGS, NULL},
    {"results", ext_results, METH_O, NULL},
    {"is_building", ext_is_building, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_extism", NULL, -1, methods,
                                        NULL, NULL, NULL, NULL};

PyObject *make_extism(void)
{
    return PyModule_Create(&definition);
}
