/* SPDX-License-Identifier: Apache-2.0 */
/* The ring: order, removal in any state, moving all. */
#include "base/list.h"

#include "test.h"

struct item {
    char name;
    struct list node;
};

static struct item items[4];

static void fill(struct list *head)
{
    list_init(head);
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        items[i] = (struct item){ .name = (char)('a' + i) };
        list_add_tail(head, &items[i].node);
    }
}

static const char *names(const struct list *head)
{
    static char out[16];
    size_t n = 0;

    LIST_EACH (node, head) {
        out[n++] = CONTAINER_OF(node, struct item, node)->name;
    }
    out[n] = '\0';
    return out;
}

static void keeps_the_order_of_adding(void)
{
    struct list head;
    struct item first = { .name = '0' };

    fill(&head);
    list_add_head(&head, &first.node);
    EXPECT_Z(names(&head), "0abcd");
}

static void removes_a_node_in_any_state(void)
{
    struct list head;

    fill(&head);
    list_remove(&items[1].node);
    list_remove(&items[1].node);
    EXPECT_Z(names(&head), "acd");
    EXPECT(!list_is_linked(&items[1].node));
    items[1].node = (struct list){ NULL, NULL };
    EXPECT(!list_is_linked(&items[1].node));
    list_remove(&items[1].node);
    list_add_tail(&head, &items[1].node);
    EXPECT_Z(names(&head), "acdb");
}

static void hands_out_the_first_until_empty(void)
{
    struct list head;
    struct list zero = { NULL, NULL };

    fill(&head);
    for (size_t i = 0; i < COUNT_OF(items); i++)
        EXPECT(list_take_head(&head) == &items[i].node);
    EXPECT(list_take_head(&head) == NULL);
    EXPECT(list_is_empty(&head));
    EXPECT(list_is_empty(&zero));
    EXPECT(list_take_head(&zero) == NULL);
}

static void moves_all_behind_the_others(void)
{
    struct list to;
    struct list from;
    struct item z = { .name = 'z' };

    fill(&from);
    list_init(&to);
    list_add_tail(&to, &z.node);
    list_move_all(&to, &from);
    EXPECT_Z(names(&to), "zabcd");
    EXPECT(list_is_empty(&from));
    list_move_all(&to, &from);
    EXPECT_Z(names(&to), "zabcd");
    list_move_all(&from, &to);
    EXPECT_Z(names(&from), "zabcd");
}

static const struct test suite[] = {
    { "keeps the order of adding", keeps_the_order_of_adding },
    { "removes a node in any state", removes_a_node_in_any_state },
    { "hands out the first until empty", hands_out_the_first_until_empty },
    { "moves all behind the others", moves_all_behind_the_others },
};

TEST_MAIN(suite)
