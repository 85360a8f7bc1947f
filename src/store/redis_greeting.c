/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said first on a connection, all at once: password, database, then whether the server is
 * one that we can work with. The last step is a script that writes, which fails with whatever would
 * make operations fail.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"
#include "store/redis_internal.h"

enum { VERSION_MIN = 6, PLAIN_MAX = 40 };

static const char script_probe[] = "return redis.call('SET', KEYS[1], '1', 'PX', 1000)\n";

/* Codes that speak of the server, and what they mean. Old servers put the code of what a script
 * called in the middle of the text. */
static const struct {
    const char *code;
    const char *meaning;
} conditions[] = {
    { "LOADING ", "is still loading its data" },
    { "READONLY ", "is a read-only replica: name the primary" },
    { "MASTERDOWN ", "is a replica that has lost its primary" },
    { "OOM ", "is out of memory (see maxmemory)" },
    { "MISCONF ", "refuses writes because it cannot save to its disk" },
    { "NOREPLICAS ", "refuses writes because it has too few replicas" },
    { "BUSY ", "is busy with a script of somebody else" },
    { "NOAUTH ", "wants a password" },
    { "WRONGPASS ", "refuses the user or the password" },
    { "NOPERM ", "does not permit its user what the store needs" },
    { "The user executing the script can't ",
      "does not permit its user what the store needs" }, /* NOPERM from within, Redis 7 */
    { "MOVED ", "is part of a cluster, which is not supported" },
    { "CROSSSLOT ", "is part of a cluster, which is not supported" },
    { "CLUSTERDOWN ", "is part of a cluster, which is not supported" },
};

const char *redis_condition(struct str failure)
{
    for (size_t i = 0; i < COUNT_OF(conditions); i++)
        if (str_find(failure, str_of(conditions[i].code)) != SIZE_MAX)
            return conditions[i].meaning;
    return NULL;
}

/* ---- questions ---- */

static void say(struct redis_words *w, struct str verb, struct str what)
{
    w->n = w->n_made = 0;
    redis_word(w, verb);
    redis_word(w, what);
}

static enum err add_auth(const struct redis *r, struct redis_words *w, struct buf *out)
{
    if (!secret_is_set(&r->password))
        return ERR_NONE;
    w->n = w->n_made = 0;
    redis_word(w, STR("AUTH"));
    if (r->user[0])
        redis_word(w, str_of(r->user));
    redis_word(w, secret_reveal(&r->password));
    return redis_words_add(w, out);
}

static enum err add_select(const struct redis *r, struct redis_words *w, struct buf *out)
{
    if (r->db == 0)
        return ERR_NONE;
    w->n = w->n_made = 0;
    redis_word(w, STR("SELECT"));
    redis_word_number(w, r->db);
    return redis_words_add(w, out);
}

static enum err add_probe(const struct redis *r, struct redis_words *w, struct buf *out)
{
    say(w, STR("EVAL"), str_of(script_probe));
    redis_word_number(w, 1);
    redis_word_name(w, r, STORE_LEASE, "#probe");
    return redis_words_add(w, out);
}

static enum redis_step step_from(const struct redis *r, enum redis_step step)
{
    if (step == REDIS_AUTH && !secret_is_set(&r->password))
        step = REDIS_SELECT;
    if (step == REDIS_SELECT && r->db == 0)
        step = REDIS_SERVER;
    return step;
}

enum err redis_greeting_add(const struct redis *r, struct buf *out, enum redis_step *ret_step)
{
    struct redis_words w;
    char *room;
    /* At once, so that no growth leaves a copy of the password behind. */
    enum err err = buf_reserve(out, 2048 + r->password.n, &room);

    if (!err)
        err = add_auth(r, &w, out);
    if (!err)
        err = add_select(r, &w, out);
    say(&w, STR("INFO"), STR("server"));
    if (!err)
        err = redis_words_add(&w, out);
    if (!err)
        err = redis_aof_add(out);
    if (!err)
        err = add_probe(r, &w, out);
    if (!err)
        *ret_step = step_from(r, REDIS_AUTH);
    return err;
}

enum err redis_aof_add(struct buf *out)
{
    struct redis_words w;

    say(&w, STR("INFO"), STR("persistence"));
    return redis_words_add(&w, out);
}

/* ---- replies ---- */

/* The value of "name:value" on a line of its own; p is NULL when there is none. */
static struct str info_of(struct str info, struct str name)
{
    while (info.n > 0) {
        struct str line = str_trim(str_cut(info, '\n', &info));

        if (str_starts(line, name) && line.n > name.n && line.p[name.n] == ':')
            return str_from(line, name.n + 1);
    }
    return (struct str){ NULL, 0 };
}

bool redis_aof_is_on(const struct redis_reply *reply)
{
    return reply->type == REDIS_TEXT && str_eq(info_of(reply->text, STR("aof_enabled")), STR("1"));
}

static enum err refuse(const struct redis *r, char *ret_why, const char *what)
{
    redis_why(r, what, ret_why);
    return ERR_IO;
}

/* The server's words as far as they are plain. */
static char *plain(struct str text, char *out)
{
    size_t n = text.n < PLAIN_MAX ? text.n : PLAIN_MAX;

    for (size_t i = 0; i < n; i++)
        out[i] = (char)(text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?');
    out[n] = '\0';
    return out;
}

/* A server that does not say is one of which nobody knows whether it is still the same. */
static void take_run(struct str info, struct redis_server *server)
{
    struct str run = info_of(info, STR("run_id"));

    if (run.n >= REDIS_RUN_LEN)
        str_to_z(run, server->run, sizeof(server->run));
    else
        random_id("", REDIS_RUN_LEN, server->run);
}

static enum err check_server(const struct redis *r, struct str info, char *ret_why)
{
    struct str version = info_of(info, STR("redis_version"));
    struct str mode = info_of(info, STR("redis_mode"));
    struct str rest;
    char what[REDIS_WHY_MAX];
    char text[PLAIN_MAX + 1];
    uint64_t major;

    if (str_to_u64(str_cut(version, '.', &rest), UINT32_MAX, &major))
        return refuse(r, ret_why, "does not say its version");
    if (major < VERSION_MIN) {
        snprintf(what, sizeof(what), "is version %.12s, 6.0 or later is needed",
                 plain(version, text));
        return refuse(r, ret_why, what);
    }
    if (mode.p && !str_eq(mode, STR("standalone"))) {
        snprintf(what, sizeof(what), "runs as %.12s, which is not supported", plain(mode, text));
        return refuse(r, ret_why, what);
    }
    return ERR_NONE;
}

/* Of the reply to AUTH only what we know: it may quote the password. */
static enum err explain(const struct redis *r, enum redis_step step, struct str failure,
                        char *ret_why)
{
    const char *meaning = redis_condition(failure);
    char what[REDIS_WHY_MAX];
    char text[PLAIN_MAX + 1];

    if (meaning)
        return refuse(r, ret_why, meaning);
    if (step == REDIS_AUTH)
        return refuse(r, ret_why, "refuses the user or the password");
    if (step == REDIS_SELECT)
        snprintf(what, sizeof(what), "has no database %u", r->db);
    else
        snprintf(what, sizeof(what), "said: %s", plain(failure, text));
    return refuse(r, ret_why, what);
}

enum err redis_greeting_take(const struct redis *r, const struct redis_reply *reply,
                             enum redis_step *step, struct redis_server *server, char *ret_why)
{
    bool is_question = *step == REDIS_SERVER || *step == REDIS_AOF;

    if (reply->type == REDIS_FAILURE)
        return explain(r, *step, reply->text, ret_why);
    if (reply->type != (is_question ? REDIS_TEXT : REDIS_STATUS))
        return refuse(r, ret_why, "does not answer as Redis does");
    if (*step == REDIS_SERVER && check_server(r, reply->text, ret_why))
        return ERR_IO;
    if (*step == REDIS_SERVER)
        take_run(reply->text, server);
    if (*step == REDIS_AOF)
        server->has_aof = redis_aof_is_on(reply);
    *step = step_from(r, *step + 1);
    return ERR_NONE;
}
