/*
 * What the heap is made of: blocks, and the lists of those that are free. Part of malloc.c alone.
 *
 * Theory of operation. The heap is one run of blocks without gaps. A block is a multiple of 16 bytes
 * and begins with a word, `head`: its size and two flags. What the caller gets begins after it, aligned
 * to 16; so heads lie 12 bytes behind a multiple of 16.
 *
 *    in use   0     4                               size
 *             |head | the caller's                  |       head = size | 1 | (2 if the one before is free)
 *
 *    free     0     4     8         size-4          size
 *             |head |next |previous |  ...  |size   |       head = size; the next block's head has flag 2
 *
 * The last word of a free block says where it begins: thus the block after it finds it. A block in use
 * has no such word, four bytes are all that it costs. The smallest block, 16 bytes, holds all five.
 *
 * Free blocks hang in lists by size. A list holds one size below 1 KiB; above, each doubling is cut
 * into 32 lists. Two levels of bits tell which lists are not empty, so the smallest one whose blocks
 * all fit is two bit scans away. Before that, the first few blocks of the list to which the size itself
 * belongs are looked at: there lies what was freed with the same size.
 *
 * Whatever is written into free blocks here is wiped when it is needed no more. So a snapshot of a heap
 * whose blocks were wiped before they were freed (scrub.c) holds zeros and little else between the
 * blocks in use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNIT 16u /* alignment of max_align_t; size and place of blocks are multiples of it */

#define IN_USE 1u
#define PREVIOUS_FREE 2u
#define FLAGS (IN_USE | PREVIOUS_FREE)

#define LISTS_IN_A_ROW 32u
#define ROWS 24u /* sizes are below 2^28 units: row 0 up to 2^5, then one row for each doubling */
#define LISTS (ROWS * LISTS_IN_A_ROW)

/* How many blocks of a list are looked at that may be too small: enough to find what was freed last. */
#define PATIENCE 16u

typedef struct block {
    uint32_t head;
    struct block *next; /* this and what follows is there in free blocks only */
    struct block *previous;
} block;

_Static_assert(_Alignof(max_align_t) == UNIT, "blocks are aligned for every type");
_Static_assert(sizeof(void *) == 4 && sizeof(block) + 4 == UNIT, "the smallest block is one unit");

static struct {
    block *top;
    uintptr_t end;       /* of the memory when the heap last grew; top ends a word before it */
    uintptr_t untouched; /* from here to the end nothing was ever written */
    uint32_t rows;       /* bit r: row r has a list that is not empty */
    uint32_t row[ROWS];  /* bit l: list l of the row is not empty */
    block *list[ROWS][LISTS_IN_A_ROW];
} heap;

static size_t size_of(const block *b)
{
    return b->head & ~FLAGS;
}

static block *at(const block *b, size_t distance)
{
    return (block *)((uintptr_t)b + distance);
}

static uint32_t *word_before(const block *b)
{
    return (uint32_t *)b - 1;
}

static void *payload(block *b)
{
    return &b->next;
}

static bool is_free(const block *b)
{
    return b != heap.top && !(b->head & IN_USE);
}

/* Return the block that was given out as `address`. */
static block *block_of(void *address)
{
    block *b = (block *)((uint32_t *)address - 1);
    if ((uintptr_t)address % UNIT != 0 || !(b->head & IN_USE))
        __builtin_trap(); /* freed before, or never given out */
    return b;
}

/* Return the size of the block for `size` bytes, 0 if that is more than an object can have. */
static size_t block_size(size_t size)
{
    if (size > PTRDIFF_MAX - UNIT)
        return 0;
    return size < UNIT - 4 ? UNIT : (size + 4 + UNIT - 1) / UNIT * UNIT;
}

/* Return how far into `b` a block must begin for its payload to be aligned. */
static size_t gap(const block *b, size_t alignment)
{
    return -((uintptr_t)b + 4) & (alignment - 1);
}

static bool fits(const block *b, size_t size, size_t alignment)
{
    return size_of(b) >= size && size_of(b) - size >= gap(b, alignment);
}

/* ---- the lists of free blocks ---- */

/* Return the number of the list to which blocks of this size belong: 32 times the row, and the place. */
static unsigned list_of(size_t size)
{
    uint32_t units = size / UNIT;
    if (units < LISTS_IN_A_ROW)
        return units;
    unsigned shift = 26 - __builtin_clz(units); /* 2^5 units, and up to twice as many: 0 */
    return LISTS_IN_A_ROW * shift + (units >> shift);
}

/* Return the number of the first list of which every block has at least this size. */
static unsigned list_above(size_t size)
{
    uint32_t units = size / UNIT;
    if (units < LISTS_IN_A_ROW)
        return units;
    unsigned shift = 26 - __builtin_clz(units);
    return list_of((units + (1u << shift) - 1) * UNIT);
}

static block **head_of_list(unsigned number)
{
    return &heap.list[number / LISTS_IN_A_ROW][number % LISTS_IN_A_ROW];
}

/* Put the span of `size` bytes at `b` into its list. The blocks around it are in use. */
static void attach(block *b, size_t size)
{
    unsigned number = list_of(size), row = number / LISTS_IN_A_ROW;
    block **first = head_of_list(number);
    b->head = size;
    b->next = *first;
    b->previous = NULL;
    if (*first != NULL)
        (*first)->previous = b;
    *first = b;
    heap.rows |= 1u << row;
    heap.row[row] |= 1u << number % LISTS_IN_A_ROW;
    *word_before(at(b, size)) = size;
    at(b, size)->head |= PREVIOUS_FREE;
}

/* Take `b` out of its list, and wipe what `attach` wrote, but for the head. */
static void detach(block *b)
{
    unsigned number = list_of(size_of(b)), row = number / LISTS_IN_A_ROW;
    block *after = at(b, size_of(b));
    if (b->next != NULL)
        b->next->previous = b->previous;
    if (b->previous != NULL)
        b->previous->next = b->next;
    else if ((*head_of_list(number) = b->next) == NULL) {
        heap.row[row] &= ~(1u << number % LISTS_IN_A_ROW);
        if (heap.row[row] == 0)
            heap.rows &= ~(1u << row);
    }
    b->next = b->previous = NULL;
    *word_before(after) = 0;
    after->head &= ~PREVIOUS_FREE;
}

/* Return the number of the first list from `number` on that is not empty, LISTS if there is none. */
static unsigned next_list(unsigned number)
{
    unsigned row = number / LISTS_IN_A_ROW;
    if (row == ROWS)
        return LISTS;
    uint32_t lists = heap.row[row] & (~0u << number % LISTS_IN_A_ROW);
    if (lists == 0) {
        uint32_t rows = heap.rows & (~1u << row);
        if (rows == 0)
            return LISTS;
        row = __builtin_ctz(rows);
        lists = heap.row[row];
    }
    return LISTS_IN_A_ROW * row + __builtin_ctz(lists);
}

/* Return a block that fits from the lists up to `last`, looking at `patience` ones in each. */
static block *walk(size_t size, size_t alignment, unsigned last, unsigned patience)
{
    for (unsigned number = next_list(list_of(size)); number <= last; number = next_list(number + 1)) {
        block *b = *head_of_list(number);
        for (unsigned seen = 0; b != NULL && seen < patience; b = b->next, seen++)
            if (fits(b, size, alignment))
                return b;
    }
    return NULL;
}

/* Return a free block that fits, NULL if none is found quickly. */
static block *search(size_t size, size_t alignment)
{
    size_t enough = size + alignment - UNIT; /* wherever it begins */
    block *found = walk(size, alignment, list_of(enough), PATIENCE);
    if (found != NULL)
        return found;
    unsigned number = next_list(list_above(enough));
    return number < LISTS ? *head_of_list(number) : NULL;
}
