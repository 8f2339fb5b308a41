/*
 * malloc and its kin, in place of wasi-libc's: a good fit found in constant time, and neighbours that
 * are free become one block at once.
 *
 * A WebAssembly memory only grows, and a plug-in lives long under a limit of pages. So what is freed
 * must serve requests of every other size, and memory.grow is the last resort: it is asked for
 * exactly the pages that lack.
 *
 * Theory of operation. The heap goes from __heap_base to the end of the memory; what its blocks look
 * like, and how a free one is found, is in blocks.h. The last block is `top`: free, in no list, and
 * taken only when no list has what is wanted. What is freed before it becomes part of it. Its bytes from
 * `untouched` on were never anybody's, so they are zero as memory.grow left them, and calloc need not
 * clear them. The heap is no less true in a copy of the memory, for all of its state lies there too.
 *
 *    __heap_base                                   top           untouched        end
 *    | in use | free | in use | in use | free | ... |head |  ...  | 0 0 0 0 0 0 0 |
 *
 * What can go wrong. There are no threads, and no locks. A caller that writes past its block destroys
 * the next head, as anywhere. A block that is freed twice, or an address that was never given out, traps
 * if the word before it does not look like a head in use. Other code may call memory.grow: the heap then
 * goes on behind what it took (`grow`), and what was its top is an ordinary block before a wall.
 */
#include "blocks.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 65536u
#define MAX_PAGES 65535u /* the last page stays away: an end of 2^32 would be 0 */

/* The linker's: the end of what is static, and that of the memory as it is at first. */
extern unsigned char __heap_base, __heap_end;

/* ---- the end of the heap ---- */

/* Let the rest of the heap begin at `b`. */
static void set_top(block *b)
{
    heap.top = b;
    b->head = heap.end - 4 - (uintptr_t)b;
    if (heap.untouched < (uintptr_t)b + 4)
        heap.untouched = (uintptr_t)b + 4;
}

/* Return the first place from `address` on where a block can begin. */
static block *first_block(uintptr_t address)
{
    return (block *)((address + 4 + UNIT - 1) / UNIT * UNIT - 4);
}

/* Leave the top as it is, and begin another behind the memory that somebody else took. */
static void begin(block *top, uintptr_t end)
{
    block *old = heap.top;
    if (old != NULL) {
        size_t size = size_of(old);
        at(old, size)->head = IN_USE; /* a wall: nothing after it is ours */
        if (size > 0)
            attach(old, size);
    }
    heap.end = end;
    set_top(top);
}

/* Tell whether the heap ends where the memory ends: nobody else made it grow. */
static bool is_last(void)
{
    return heap.top != NULL && (uint64_t)__builtin_wasm_memory_size(0) * PAGE == heap.end;
}

/* Grow the memory until a block of the size fits into the top; tell whether it does. */
static bool grow(size_t size, size_t alignment)
{
    size_t before = __builtin_wasm_memory_size(0);
    if (before > MAX_PAGES)
        return false;
    if (heap.top == NULL) {
        block *first = first_block((uintptr_t)&__heap_base);
        if ((uintptr_t)first + 4 <= (uintptr_t)&__heap_end) /* else the last page is full */
            begin(first, (uintptr_t)&__heap_end);
        if (heap.top != NULL && fits(heap.top, size, alignment))
            return true;
    }
    bool goes_on = is_last();
    block *top = goes_on ? heap.top : first_block(before * PAGE);
    uint64_t end = (uint64_t)(uintptr_t)top + gap(top, alignment) + size + 4;
    uint64_t pages = (end + PAGE - 1) / PAGE;
    if (pages > MAX_PAGES || __builtin_wasm_memory_grow(0, pages - before) == SIZE_MAX)
        return false;
    if (goes_on)
        heap.end = pages * PAGE;
    else
        begin(top, pages * PAGE);
    heap.top->head = heap.end - 4 - (uintptr_t)heap.top;
    return true;
}

/* ---- taking and giving back ---- */

/* Cut a block out of a free one, which fits. */
static void *carve(block *b, size_t size, size_t alignment)
{
    size_t whole = size_of(b), before = gap(b, alignment);
    bool was_top = b == heap.top;
    block *one = at(b, before), *after = at(one, size);
    if (!was_top)
        detach(b);
    if (was_top)
        set_top(after);
    else if (whole > before + size)
        attach(after, whole - before - size);
    one->head = size | IN_USE;
    if (before > 0)
        attach(b, before);
    return payload(one);
}

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* Return what a new block of this size holds; the size is one of `block_size`. */
static void *take(size_t size, size_t alignment)
{
    if (size == 0)
        return no_memory();
    block *found = search(size, alignment);
    if (found == NULL) {
        if ((heap.top != NULL && fits(heap.top, size, alignment)) || grow(size, alignment))
            found = heap.top;
        else
            found = walk(size, alignment, LISTS - 1, UINT32_MAX);
    }
    return found == NULL ? no_memory() : carve(found, size, alignment);
}

/* Make a block in use free, one with the free ones beside it. */
static void give_back(block *b)
{
    size_t size = size_of(b);
    block *after = at(b, size);
    if (b->head & PREVIOUS_FREE) {
        block *before = at(b, -(size_t)*word_before(b));
        size += size_of(before);
        detach(before);
        b->head = 0;
        b = before;
    }
    if (after == heap.top) {
        after->head = 0;
        set_top(b);
        return;
    }
    if (is_free(after)) {
        size += size_of(after);
        detach(after);
        after->head = 0;
    }
    attach(b, size);
}

/* ---- changing the size of a block in use ---- */

/* Give back what a block in use has beyond `size`. */
static void shorten(block *b, size_t size)
{
    size_t rest = size_of(b) - size;
    if (rest > 0) {
        b->head -= rest;
        at(b, size)->head = rest | IN_USE;
        give_back(at(b, size));
    }
}

/* Return how many bytes behind a block in use are free. */
static size_t room_behind(const block *b)
{
    const block *after = at(b, size_of(b));
    return after == heap.top || is_free(after) ? size_of(after) : 0;
}

/* Let a block in use grow to `size` into what is free behind it, which is enough. */
static void lengthen(block *b, size_t size)
{
    block *after = at(b, size_of(b));
    if (after == heap.top) {
        b->head += size - size_of(b);
        after->head = 0;
        set_top(at(b, size));
        return;
    }
    b->head += size_of(after);
    detach(after);
    after->head = 0;
    shorten(b, size);
}

/* Let a block grow to `size` where it is, or into what is free before it; NULL if that is too little. */
static void *stretch(block *b, size_t size)
{
    size_t old = size_of(b);
    if (room_behind(b) >= size - old) {
        lengthen(b, size);
        return payload(b);
    }
    size_t lacking = size - old - room_behind(b);
    if (!(b->head & PREVIOUS_FREE) || *word_before(b) < lacking)
        return NULL;
    block *before = at(b, -(size_t)*word_before(b));
    detach(before);
    before->head += old | IN_USE;
    b->head = 0;
    memmove(payload(before), payload(b), old - 4);
    if (size_of(before) < size)
        lengthen(before, size);
    else
        shorten(before, size);
    return payload(before);
}

/* Let the last block grow with the memory, if no free block has the size that it is to have. */
static bool stretch_at_the_end(block *b, size_t size)
{
    if (at(b, size_of(b)) != heap.top || !is_last() || search(size, UNIT) != NULL)
        return false;
    if (!grow(size - size_of(b), UNIT))
        return false;
    lengthen(b, size);
    return true;
}

/* ---- the functions of <stdlib.h> and <malloc.h> ---- */

/* Let what is allocated from now on lie together, behind all that is there: what is free before the top
 * belongs to nobody any more. */
void give_up_holes(void)
{
    for (unsigned number; (number = next_list(0)) < LISTS;) {
        block *b = *head_of_list(number);
        detach(b);
        b->head |= IN_USE;
    }
}

void *malloc(size_t size)
{
    return take(block_size(size), UNIT);
}

void free(void *address)
{
    if (address != NULL)
        give_back(block_of(address));
}

void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX;
    uintptr_t zero = heap.untouched;
    unsigned char *fresh = take(block_size(bytes), UNIT);
    if (fresh != NULL && (uintptr_t)fresh < zero) {
        size_t used = zero - (uintptr_t)fresh;
        memset(fresh, 0, bytes < used ? bytes : used);
    }
    return fresh;
}

/* Of 0 bytes: the smallest block, never NULL, so that NULL says one thing alone. */
void *realloc(void *address, size_t bytes)
{
    if (address == NULL)
        return malloc(bytes);
    block *b = block_of(address);
    size_t size = block_size(bytes), old = size_of(b);
    if (size == 0)
        return no_memory();
    if (size <= old) {
        shorten(b, size);
        return address;
    }
    void *moved = stretch(b, size);
    if (moved != NULL || stretch_at_the_end(b, size))
        return moved ? moved : address;
    moved = take(size, UNIT);
    if (moved != NULL) {
        memcpy(moved, address, old - 4);
        give_back(b);
    }
    return moved;
}

void *reallocarray(void *address, size_t count, size_t size)
{
    size_t bytes;
    return realloc(address, __builtin_mul_overflow(count, size, &bytes) ? SIZE_MAX : bytes);
}

/* Any alignment that is a power of two, also where it is more than the memory has. */
void *memalign(size_t alignment, size_t size)
{
    if (alignment == 0 || (alignment & (alignment - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    if (alignment > PTRDIFF_MAX)
        return no_memory();
    return take(block_size(size), alignment < UNIT ? UNIT : alignment);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

void *valloc(size_t size)
{
    return memalign(PAGE, size);
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
    if (alignment % sizeof(void *) != 0)
        return EINVAL;
    int before = errno;
    void *fresh = memalign(alignment, size);
    int error = fresh == NULL ? errno : 0;
    errno = before; /* the result says it all */
    if (error == 0)
        *result = fresh;
    return error;
}

size_t malloc_usable_size(void *address)
{
    return address == NULL ? 0 : size_of(block_of(address)) - 4;
}
