/*
 * Python's allocators: while building one that leaves nothing behind, then the usual ones.
 *
 * Freed memory keeps its bytes, and they would be shipped: dead strings of the build, megabytes of
 * them. While building every block comes from malloc alone and is wiped before it goes back. The
 * first py_invoke restores Python's own allocators, whose free() takes malloc's blocks too.
 */
#include "glue.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Small objects live in pools of this size, aligned to it, 64 of them in an arena. */
#define POOL_BYTES 4096

/* Through a volatile pointer, for the optimiser deletes a memset whose block is freed next. */
static void *(*volatile wipe)(void *, int, size_t) = memset;

static PyMemAllocatorEx usual[3];
static const PyMemAllocatorDomain domains[3] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM,
                                                PYMEM_DOMAIN_OBJ};

static void *scrub_malloc(void *Py_UNUSED(context), size_t size)
{
    return malloc(size ? size : 1);
}

static void *scrub_calloc(void *Py_UNUSED(context), size_t count, size_t size)
{
    return count && size ? calloc(count, size) : calloc(1, 1);
}

static void scrub_free(void *Py_UNUSED(context), void *block)
{
    if (block != NULL) {
        wipe(block, 0, malloc_usable_size(block));
        free(block);
    }
}

static void *scrub_realloc(void *context, void *block, size_t size)
{
    void *moved = scrub_malloc(context, size);
    if (block != NULL && moved != NULL) {
        size_t old = malloc_usable_size(block);
        memcpy(moved, block, old < size ? old : size);
        scrub_free(context, block);
    }
    return moved;
}

void scrub_while_building(void)
{
    PyMemAllocatorEx scrub = {NULL, scrub_malloc, scrub_calloc, scrub_realloc, scrub_free};
    for (int i = 0; i < 3; i++) {
        PyMem_GetAllocator(domains[i], &usual[i]);
        PyMem_SetAllocator(domains[i], &scrub);
    }
}

static void *new_arena(void *Py_UNUSED(context), size_t size)
{
    return aligned_alloc(POOL_BYTES, size);
}

static void free_arena(void *Py_UNUSED(context), void *arena, size_t Py_UNUSED(size))
{
    free(arena);
}

/* Arenas would come from mmap, which wasi-libc makes of malloc, and clears: 256 KiB for nothing, and
 * a pool is lost at the ends. */
void allocate_as_usual(void)
{
    PyObjectArenaAllocator arenas = {NULL, new_arena, free_arena};
    PyObject_SetArenaAllocator(&arenas);
    for (int i = 0; i < 3; i++)
        PyMem_SetAllocator(domains[i], &usual[i]);
}
