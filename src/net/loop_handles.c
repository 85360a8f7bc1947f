/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles: generation in the upper half, slot number plus one in the lower. A slot
 * whose generations are used up is never taken again.
 */
#include "base/mem.h"
#include "net/loop_internal.h"

static uint32_t take_slot(struct handle_table *t)
{
    uint32_t index;

    if (t->free) {
        index = t->free - 1;
        t->free = t->slots[index].next_free;
        return index;
    }
    if (t->n == t->cap) {
        BUG_ON(t->cap > UINT32_MAX / 4);
        t->cap = t->cap ? t->cap * 2 : 64;
        t->slots = mem_grow_array(t->slots, t->cap, sizeof(*t->slots));
    }
    index = t->n++;
    t->slots[index].generation = 0;
    return index;
}

uint64_t loop_handle_new(struct loop *l, void *object)
{
    uint32_t index = take_slot(&l->handles);
    struct handle_slot *slot = &l->handles.slots[index];

    BUG_ON(!object);
    slot->object = object;
    return (uint64_t)slot->generation << 32 | (index + 1);
}

static struct handle_slot *find_slot(struct handle_table *t, uint64_t handle)
{
    uint32_t number = (uint32_t)handle;

    if (number == 0 || number > t->n)
        return NULL;
    if (t->slots[number - 1].generation != handle >> 32 || !t->slots[number - 1].object)
        return NULL;
    return &t->slots[number - 1];
}

void *loop_handle_find(struct loop *l, uint64_t handle)
{
    struct handle_slot *slot = find_slot(&l->handles, handle);

    return slot ? slot->object : NULL;
}

void loop_handle_drop(struct loop *l, uint64_t handle)
{
    struct handle_slot *slot = find_slot(&l->handles, handle);

    if (!slot)
        return;
    slot->object = NULL;
    if (slot->generation == UINT32_MAX)
        return;
    slot->generation++;
    slot->next_free = l->handles.free;
    l->handles.free = (uint32_t)handle;
}
