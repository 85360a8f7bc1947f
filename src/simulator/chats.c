/* SPDX-License-Identifier: Apache-2.0 */
/* The chats of the simulator; see chats.h. */
#include "simulator/chats.h"

#include "base/mem.h"

void sim_chats_init(struct sim_chats *c)
{
    map_init(&c->by_id);
    list_init(&c->list);
    c->n = 0;
    c->n_gone = 0;
    c->bytes = 0;
}

static void free_text(struct str s)
{
    mem_free((void *)(uintptr_t)s.p);
}

static void drop_turns(struct sim_chats *c, struct sim_chat *chat)
{
    for (size_t i = 0; i < chat->n_prompts; i++)
        free_text(chat->prompts[i]);
    for (size_t i = 0; i < chat->n_turns; i++)
        free_text(chat->turns[i].answer);
    mem_free(TAKE(chat->prompts));
    mem_free(TAKE(chat->turns));
    chat->n_prompts = chat->n_turns = chat->cap = 0;
    sim_script_unref(TAKE(chat->last));
    c->bytes -= chat->bytes - sizeof(*chat);
    chat->bytes = sizeof(*chat);
}

void sim_chats_remove(struct sim_chats *c, struct sim_chat *chat)
{
    BUG_ON(chat->task || !list_is_empty(&chat->sockets));
    (void)map_take(&c->by_id, str_of(chat->id));
    list_remove(&chat->node);
    drop_turns(c, chat);
    c->n--;
    c->n_gone -= chat->gone != SIM_GONE_NOT;
    c->bytes -= chat->bytes;
    mem_free(chat);
}

void sim_chats_bury(struct sim_chats *c, struct sim_chat *chat, enum sim_gone gone)
{
    BUG_ON(chat->task || gone == SIM_GONE_NOT);
    drop_turns(c, chat);
    c->n_gone += chat->gone == SIM_GONE_NOT;
    chat->gone = gone;
}

void sim_chats_deinit(struct sim_chats *c)
{
    while (!list_is_empty(&c->list))
        sim_chats_remove(c, CONTAINER_OF(c->list.next, struct sim_chat, node));
    map_deinit(&c->by_id);
}

struct sim_chat *sim_chats_find(struct sim_chats *c, struct str id)
{
    struct sim_chat *chat = map_find(&c->by_id, id);

    if (!chat)
        return NULL;
    list_remove(&chat->node);
    list_add_tail(&c->list, &chat->node);
    return chat;
}

/* One of the longest unused goes; those in use are passed over, a few at a time. */
static void make_room(struct sim_chats *c)
{
    struct list *node = c->list.next;

    for (int tries = 0; tries < 64 && node != &c->list; tries++) {
        struct sim_chat *chat = CONTAINER_OF(node, struct sim_chat, node);

        node = node->next;
        if (chat->task || !list_is_empty(&chat->sockets))
            continue;
        sim_chats_remove(c, chat);
        return;
    }
}

struct sim_chat *sim_chats_add(struct sim_chats *c, struct str id, int account)
{
    struct sim_chat *chat;

    if (c->n >= SIM_CHATS_MAX || c->bytes > SIM_CHATS_BYTES_MAX)
        make_room(c);
    chat = mem_new(struct sim_chat);
    str_to_z(id, chat->id, sizeof(chat->id));
    chat->account = account;
    chat->bytes = sizeof(*chat);
    list_init(&chat->sockets);
    list_init(&chat->node);
    list_add_tail(&c->list, &chat->node);
    (void)map_set(&c->by_id, id, chat);
    c->n++;
    c->bytes += chat->bytes;
    return chat;
}

static bool copy_text(struct str s, struct str *ret)
{
    char *p = mem_try(s.n + 1);

    if (!p)
        return false;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    *ret = (struct str){ p, s.n };
    return true;
}

static void count(struct sim_chats *c, struct sim_chat *chat, size_t bytes)
{
    chat->bytes += bytes;
    c->bytes += bytes;
}

enum err sim_chat_add_prompt(struct sim_chats *c, struct sim_chat *chat, struct str prompt)
{
    struct str copy;

    if (!copy_text(prompt, &copy))
        return ERR_NOMEM;
    if (chat->n_prompts == chat->cap) {
        chat->cap = chat->cap ? 2 * chat->cap : 4;
        chat->prompts = mem_grow_array(chat->prompts, chat->cap, sizeof(*chat->prompts));
        chat->turns = mem_grow_array(chat->turns, chat->cap, sizeof(*chat->turns));
    }
    chat->prompts[chat->n_prompts++] = copy;
    count(c, chat, prompt.n);
    return ERR_NONE;
}

void sim_chat_add_answer(struct sim_chats *c, struct sim_chat *chat, struct str answer,
                         const char *message_id)
{
    struct sim_turn *turn = &chat->turns[chat->n_turns];

    BUG_ON(chat->n_turns >= chat->n_prompts);
    if (!copy_text(answer, &turn->answer))
        turn->answer = (struct str){ NULL, 0 };
    str_to_z(str_of(message_id), turn->message_id, sizeof(turn->message_id));
    chat->n_turns++;
    count(c, chat, turn->answer.n);
}

bool sim_chat_id_is_valid(struct str id)
{
    static const char digits[] = "0123456789abcdefABCDEF";

    if (id.n != SIM_CHAT_ID_LEN)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? id.p[i] != '-' : !memchr(digits, id.p[i], sizeof(digits) - 1))
            return false;
    }
    return true;
}
