/* SPDX-License-Identifier: Apache-2.0 */
/* The log of the simulator; see journal.h. Each entry is one piece of memory with its texts. */
#include "simulator/journal.h"

#include "base/list.h"
#include "base/mem.h"

struct item {
    struct list node;
    size_t size;
    struct sim_entry entry;
    char texts[];
};

struct sim_journal {
    struct list items; /* oldest first */
    size_t n;
    size_t max;
    size_t bytes;
    uint64_t last; /* number of the newest entry */
};

/* Where the texts of an entry are, and what they are called in JSON. */
static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    { "chat", offsetof(struct sim_entry, chat) },
    { "prompt", offsetof(struct sim_entry, prompt) },
    { "adapter", offsetof(struct sim_entry, adapter) },
    { "path", offsetof(struct sim_entry, path) },
    { "origin", offsetof(struct sim_entry, origin) },
    { "referer", offsetof(struct sim_entry, referer) },
    { "content_type", offsetof(struct sim_entry, content_type) },
    { "user_agent", offsetof(struct sim_entry, user_agent) },
    { "body", offsetof(struct sim_entry, body) },
    { "sha256", offsetof(struct sim_entry, sha256) },
    { "headers", offsetof(struct sim_entry, headers) },
    { "violation", offsetof(struct sim_entry, violation) },
};

static struct str text_at(const struct sim_entry *e, size_t i)
{
    struct str s;

    memcpy(&s, (const char *)e + texts[i].offset, sizeof(s));
    return s;
}

struct sim_journal *sim_journal_new(size_t max_entries)
{
    struct sim_journal *j = mem_new(struct sim_journal);

    list_init(&j->items);
    j->max = max_entries;
    return j;
}

static void drop_oldest(struct sim_journal *j)
{
    struct list *node = list_take_head(&j->items);
    struct item *item;

    BUG_ON(!node);
    item = CONTAINER_OF(node, struct item, node);
    j->n--;
    j->bytes -= item->size;
    mem_free(item);
}

void sim_journal_clear(struct sim_journal *j)
{
    while (j->n > 0)
        drop_oldest(j);
}

void sim_journal_free(struct sim_journal *j)
{
    if (!j)
        return;
    sim_journal_clear(j);
    mem_free(j);
}

static void shrink(struct sim_journal *j)
{
    while (j->n > j->max || (j->n > 0 && j->bytes > SIM_JOURNAL_BYTES_MAX))
        drop_oldest(j);
}

void sim_journal_resize(struct sim_journal *j, size_t max_entries)
{
    j->max = max_entries;
    shrink(j);
}

void sim_journal_add(struct sim_journal *j, const struct sim_entry *e)
{
    size_t size = sizeof(struct item);
    struct item *item;
    char *p;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        size += text_at(e, i).n;
    item = mem_try(size);
    if (!item)
        return;
    item->size = size;
    item->entry = *e;
    item->entry.n = ++j->last;
    p = item->texts;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct str s = text_at(e, i);
        struct str copy = { s.p ? p : NULL, s.n };

        if (s.n > 0)
            memcpy(p, s.p, s.n);
        memcpy((char *)&item->entry + texts[i].offset, &copy, sizeof(copy));
        p += s.n;
    }
    list_init(&item->node);
    list_add_tail(&j->items, &item->node);
    j->n++;
    j->bytes += size;
    shrink(j);
}

static void write_number(struct json_writer *w, const char *name, int64_t value)
{
    if (value >= 0)
        json_w_member_int(w, name, value);
}

static void write_text(struct json_writer *w, size_t i, struct str s)
{
    if (!s.p)
        return;
    json_w_key(w, texts[i].name);
    if (texts[i].offset == offsetof(struct sim_entry, headers))
        json_w_raw(w, s);
    else
        json_w_str(w, s);
}

static void write_entry(struct json_writer *w, const struct sim_entry *e)
{
    json_w_object(w);
    json_w_member_int(w, "n", (int64_t)e->n);
    json_w_member_int(w, "time", e->time_ms);
    json_w_member_int(w, "us", e->us);
    json_w_member_str(w, "kind", str_of(e->kind));
    write_number(w, "status", e->status);
    write_number(w, "account", e->account);
    write_number(w, "close_code", e->close_code);
    write_number(w, "turn", e->turn);
    write_number(w, "ms", e->ms);
    write_number(w, "token", e->token);
    write_number(w, "cookie", e->cookie);
    write_number(w, "key", e->key);
    write_number(w, "bytes", e->bytes);
    write_number(w, "messages", e->messages);
    if (e->protocol)
        json_w_member_str(w, "protocol", str_of(e->protocol));
    if (e->by)
        json_w_member_str(w, "by", str_of(e->by));
    if (e->fault)
        json_w_member_str(w, "fault", str_of(e->fault));
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        write_text(w, i, text_at(e, i));
    json_w_object_end(w);
}

void sim_journal_write(const struct sim_journal *j, struct str kind, uint64_t since,
                       struct json_writer *w)
{
    json_w_array(w);
    LIST_EACH (node, &j->items) {
        const struct sim_entry *e = &CONTAINER_OF(node, struct item, node)->entry;

        if (e->n > since && (kind.n == 0 || str_eq(kind, str_of(e->kind))))
            write_entry(w, e);
    }
    json_w_array_end(w);
}
