/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings and its defaults; see settings.h. */
#include "simulator/settings.h"

#define NUMBER(field, low, high)                                                          \
    {                                                                                     \
#field, SIM_OPTION_INT, offsetof(struct sim_settings, field), (low), (high), NULL \
    }
#define FLAG(field)                                                               \
    {                                                                             \
#field, SIM_OPTION_BOOL, offsetof(struct sim_settings, field), 0, 1, NULL \
    }
#define WORD(field, list)                                                           \
    {                                                                               \
#field, SIM_OPTION_WORD, offsetof(struct sim_settings, field), 0, 0, (list) \
    }

static const struct sim_option table[] = {
    NUMBER(first_ms, 0, 3600000),
    NUMBER(every_ms, 0, 3600000),
    NUMBER(jitter_ms, 0, 60000),
    NUMBER(words, 1, 1000),
    NUMBER(piece_bytes, 0, 1000000),
    WORD(content, "delta|snapshot"),
    WORD(shape, "chat|assistant|blocks"),
    FLAG(buffer_object),
    FLAG(newline),
    FLAG(ascii),
    FLAG(split_surrogates),
    FLAG(running_state),
    FLAG(final_state),
    FLAG(close_at_end),
    FLAG(echo),
    FLAG(label),
    NUMBER(activity, 0, 1000),
    NUMBER(thinking, 0, 10000),
    NUMBER(paragraph, 0, 100000),
    NUMBER(fragments, 1, 1000),
    NUMBER(coalesce, 1, 1000),
    WORD(connect_state, "actual|none|idle|running"),
    WORD(history, "none|string|blocks"),
    WORD(replay, "none|running|always"),
    NUMBER(late_replay_ms, 0, 3600000),
    NUMBER(late_history, 0, 1000000),
    FLAG(ws_needs_chat),
    FLAG(ws_cookie),
    NUMBER(accounts, 1, 64),
    NUMBER(team_size, 1, 64),
    NUMBER(token_life_s, -3600, 86400),
    NUMBER(clock_skew_s, -864000, 864000),
    NUMBER(rotate_every, 0, 1000000),
    WORD(old_cookie, "once|never|always"),
    NUMBER(access_life_s, -3600, 864000),
    FLAG(expires_in),
    FLAG(refresh_rotate),
    NUMBER(refresh_grace_s, -1, 864000),
    FLAG(client_session),
    FLAG(classic),
    FLAG(project),
    FLAG(native),
    NUMBER(reply_status, 200, 299),
    FLAG(reply_json),
    FLAG(chunked),
    NUMBER(task_limit, 0, 1000000),
    NUMBER(daily_limit, 0, 1000000),
    FLAG(enforce_limit),
    FLAG(billing_old),
    NUMBER(max_message_bytes, 0, 33554432),
    NUMBER(max_message_chars, 0, 33554432),
    NUMBER(ban_after, 0, 1000000),
    NUMBER(slice_bytes, 0, 1000000),
    NUMBER(log_body_bytes, 0, 33554432),
    NUMBER(log_entries, 1, 1000000),
};

const struct sim_options sim_setting_options = { table, COUNT_OF(table) };

void sim_settings_default(struct sim_settings *s)
{
    *s = (struct sim_settings){
        .first_ms = 150,
        .every_ms = 20,
        .jitter_ms = 20,
        .words = 3,
        .running_state = 1,
        .final_state = 1,
        .fragments = 1,
        .coalesce = 1,
        .replay = SIM_REPLAY_RUNNING,
        .ws_cookie = 1,
        .accounts = 1,
        .team_size = 1,
        .token_life_s = 60,
        .access_life_s = 900,
        .expires_in = 1,
        .refresh_rotate = 1,
        .client_session = 1,
        .classic = 1,
        .project = 1,
        .native = 1,
        .reply_status = 200,
        .daily_limit = 300,
        .max_message_bytes = 32768,
        .max_message_chars = 20000,
        .log_body_bytes = 2097152,
        .log_entries = 10000,
    };
}

enum err sim_settings_line(struct sim_settings *s, struct str line, char *what)
{
    struct sim_settings changed = *s;

    while (line.n > 0) {
        struct str value;
        struct str word = sim_next_word(&line);
        struct str name = str_cut(word, '=', &value);
        enum err err = sim_option_set(&sim_setting_options, &changed, name, value, what);

        if (err == ERR_NOT_FOUND)
            return sim_complain(what, "there is no setting \"%.*s\"", STR_ARGS(name));
        if (err)
            return err;
    }
    *s = changed;
    return ERR_NONE;
}

static bool is_setting(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (str_eq(name, str_of(table[i].name)))
            return true;
    return false;
}

static enum err plain_member(struct sim_settings *s, struct json *j, struct str name, char *what)
{
    struct json_value v;
    struct arena arena;
    struct str text;
    enum err err;

    if (!json_read(j, &v))
        return sim_complain(what, "%.*s: malformed JSON", STR_ARGS(name));
    arena_init(&arena);
    err = sim_option_text(&v, &arena, &text);
    if (!err)
        err = sim_option_set(&sim_setting_options, s, name, text, what);
    arena_deinit(&arena);
    return err;
}

static enum err pacing_member(struct sim_settings *s, struct json *j, char *what)
{
    struct str name;

    if (!json_enter_object(j))
        return sim_complain(what, "pacing takes an object");
    /* Who gives a pace means that pace. */
    s->jitter_ms = 0;
    while (json_next_member(j, &name)) {
        if (!str_eq(name, STR("first_ms")) && !str_eq(name, STR("every_ms")) &&
            !str_eq(name, STR("jitter_ms")) && !str_eq(name, STR("words")))
            return sim_complain(what, "pacing has no \"%.*s\"", STR_ARGS(name));
        if (plain_member(s, j, name, what))
            return ERR_BAD_INPUT;
    }
    return j->failed ? sim_complain(what, "pacing: malformed JSON") : ERR_NONE;
}

enum err sim_settings_member(struct sim_settings *s, struct json *j, struct str name, char *what)
{
    if (str_eq(name, STR("pacing")))
        return pacing_member(s, j, what);
    if (!is_setting(name))
        return ERR_NOT_FOUND;
    return plain_member(s, j, name, what);
}
