/* SPDX-License-Identifier: Apache-2.0 */
/* Recently made scripts, shared by all tasks that say the same; see script.h. */
#include "base/hash.h"
#include "simulator/script.h"

enum { CACHED_MAX = 64, CACHED_BYTES_MAX = 4194304 };

void sim_script_cache_init(struct sim_script_cache *c)
{
    list_init(&c->list);
    c->n = 0;
}

void sim_script_cache_deinit(struct sim_script_cache *c)
{
    struct list *node;

    while ((node = list_take_head(&c->list)))
        sim_script_unref(CONTAINER_OF(node, struct sim_script, node));
    c->n = 0;
}

static void add_text(struct sha256 *h, struct str text)
{
    sha256_add(h, (struct str){ (const char *)&text.n, sizeof(text.n) });
    sha256_add(h, text);
}

static void make_key(const struct sim_order *o, unsigned char key[SHA256_LEN])
{
    struct sha256 h;

    sha256_init(&h);
    sha256_add(&h, (struct str){ (const char *)o->settings, sizeof(*o->settings) });
    add_text(&h, o->text);
    add_text(&h, o->thinking);
    add_text(&h, o->prompt);
    add_text(&h, str_of(o->message_id));
    add_text(&h, str_of(o->task_id));
    sha256_end(&h, key);
}

static struct sim_script *find(struct sim_script_cache *c, const unsigned char key[SHA256_LEN])
{
    LIST_EACH (node, &c->list) {
        struct sim_script *s = CONTAINER_OF(node, struct sim_script, node);

        if (memcmp(s->key, key, SHA256_LEN) == 0)
            return s;
    }
    return NULL;
}

static void keep(struct sim_script_cache *c, struct sim_script *s)
{
    if (c->n == CACHED_MAX) {
        struct sim_script *oldest = CONTAINER_OF(c->list.prev, struct sim_script, node);

        list_remove(&oldest->node);
        sim_script_unref(oldest);
        c->n--;
    }
    list_add_head(&c->list, &sim_script_ref(s)->node);
    c->n++;
}

enum err sim_script_cache_get(struct sim_script_cache *c, const struct sim_order *order,
                              struct sim_script **ret)
{
    unsigned char key[SHA256_LEN];
    struct sim_script *s;
    enum err err;

    if (order->n_faults > 0)
        return sim_script_new(order, ret);
    make_key(order, key);
    s = find(c, key);
    if (s) {
        list_remove(&s->node);
        list_add_head(&c->list, &s->node);
        *ret = sim_script_ref(s);
        return ERR_NONE;
    }
    err = sim_script_new(order, &s);
    if (err)
        return err;
    memcpy(s->key, key, sizeof(key));
    if (s->bytes.n <= CACHED_BYTES_MAX)
        keep(c, s);
    *ret = s;
    return ERR_NONE;
}
