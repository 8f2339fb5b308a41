/*
 * What the three files of the glue share: scrub.c (Python's allocators), host.c (the module `_extism`)
 * and glue.c (the exports).
 */
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>

/* True until the first py_invoke: the host's functions are refused, freed memory is wiped. */
extern bool building;

/* Use, from now on, an allocator that wipes what is freed; to be called before Python starts. */
void scrub_while_building(void);

/* Give Python its own allocators back. */
void allocate_as_usual(void);

/* Let what is allocated from now on lie together, on pages of its own. */
void give_up_holes(void);

/* Make the module `_extism`, for the table of built-in modules. */
PyObject *make_extism(void);

/* Return where the parameters and results of a shared function stand, with room for `length` bytes. */
void *frame_of(size_t length);

/* Set the error text of the call, as far as the host has memory for it; never fails. */
void report_error(const char *text, size_t length);
