/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/enginelabs/keep_jar.h"

#include "base/mem.h"

enum { TRIES_MAX = 4 };

struct keep_jar {
    const struct enginelabs_config *config;
    struct store_port *store;
    struct store_key key;
    struct buf text;
    struct jar_past *past;
    struct store_op *op; /* running */
    unsigned tries;
    on_jar_kept *done;
    void *arg;
};

/* ---- what a jar comes from ---- */

static void digest_of(struct str text, unsigned char out[SHA256_LEN])
{
    struct sha256 hash;

    sha256_init(&hash);
    sha256_add(&hash, text);
    sha256_end(&hash, out);
}

bool jar_past_has(const struct jar_past *p, struct str text)
{
    unsigned char digest[SHA256_LEN];

    digest_of(text, digest);
    for (size_t i = 0; i < p->n; i++)
        if (memcmp(p->digests[i], digest, SHA256_LEN) == 0)
            return true;
    return false;
}

void jar_past_add(struct jar_past *p, struct str text)
{
    if (jar_past_has(p, text))
        return;
    if (p->n == JAR_PAST_MAX)
        memmove(p->digests[0], p->digests[1], (size_t)(--p->n) * SHA256_LEN);
    digest_of(text, p->digests[p->n++]);
}

void jar_past_set(struct jar_past *p, struct str text)
{
    p->n = 0;
    jar_past_add(p, text);
}

/* ---- the try ---- */

static void on_looked(void *arg, const struct store_result *result);
static void replace(struct keep_jar *k, bool found, struct str present);
static void on_swapped(void *arg, const struct store_result *result);
static void finish(struct keep_jar *k, enum jar_kept kept, const struct cookies *newer);

struct keep_jar *keep_jar_start(const struct enginelabs_config *config, struct store_port *store,
                                const struct cookies *jar, struct jar_past *past, on_jar_kept *done,
                                void *arg)
{
    struct keep_jar *k = mem_new(struct keep_jar);

    *k = (struct keep_jar){ .config = config,
                            .store = store,
                            .key = keep_key(config, STORE_JAR, ""),
                            .past = past,
                            .done = done,
                            .arg = arg };
    buf_init(&k->text, KEEP_MAX);
    BUG_ON(keep_write_jar(config, jar, &k->text)); /* a jar is bounded */
    k->op = store_get(store, &k->key, on_looked, k);
    return k;
}

static void on_looked(void *arg, const struct store_result *result)
{
    struct keep_jar *k = arg;

    k->op = NULL;
    if (result->err && result->err != ERR_NOT_FOUND)
        finish(k, JAR_UNKEPT, NULL);
    else
        replace(k, !result->err, result->value);
}

static void replace(struct keep_jar *k, bool found, struct str present)
{
    struct str text = buf_str(&k->text);
    struct cookies newer = { 0 };

    if (found && str_eq(present, text)) {
        finish(k, JAR_KEPT, NULL);
    } else if (found && !jar_past_has(k->past, present) &&
               keep_read_jar(k->config, present, &newer) == ERR_NONE) {
        jar_past_set(k->past, present);
        finish(k, JAR_OUTDATED, &newer);
    } else if (++k->tries > TRIES_MAX) {
        finish(k, JAR_UNKEPT, NULL);
    } else {
        jar_past_add(k->past, text);
        k->op = store_swap(k->store, &k->key, found ? &present : NULL, &text, STORE_FOREVER,
                           on_swapped, k);
    }
    cookies_deinit(&newer);
}

static void on_swapped(void *arg, const struct store_result *result)
{
    struct keep_jar *k = arg;

    k->op = NULL;
    if (result->err == ERR_CONFLICT)
        replace(k, result->found, result->value);
    else
        finish(k, result->err ? JAR_UNKEPT : JAR_KEPT, NULL);
}

static void finish(struct keep_jar *k, enum jar_kept kept, const struct cookies *newer)
{
    on_jar_kept *done = k->done;
    void *arg = k->arg;

    if (kept == JAR_KEPT)
        jar_past_set(k->past, buf_str(&k->text));
    keep_jar_cancel(k);
    done(arg, kept, newer);
}

void keep_jar_cancel(struct keep_jar *k)
{
    if (!k)
        return;
    if (k->op)
        store_forget(k->op);
    buf_wipe(&k->text);
    mem_free(k);
}
