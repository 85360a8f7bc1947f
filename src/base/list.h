/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of nodes that live inside the objects they link. The head is a node
 * too. A node that is in no list points at itself or is all zero.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l || !l->next;
}

static inline bool list_is_linked(const struct list *node)
{
    return node->next && node->next != node;
}

/* `node` must be in no list. */
static inline void list_add_tail(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_add_head(struct list *head, struct list *node)
{
    node->next = head->next;
    node->prev = head;
    head->next->prev = node;
    head->next = node;
}

/* Harmless for a node that is in no list. */
static inline void list_remove(struct list *node)
{
    if (list_is_linked(node)) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
    }
    list_init(node);
}

/* The first node, taken out; NULL when the list is empty. */
static inline struct list *list_take_head(struct list *head)
{
    struct list *node = head->next;

    if (list_is_empty(head))
        return NULL;
    list_remove(node);
    return node;
}

/* Moves all nodes of `from` behind those of `to`. */
static inline void list_move_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_EACH(node, head) \
    for (struct list *node = (head)->next; node != (head); node = node->next)
