/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulator says; see answer.h. */
#include "simulator/answer.h"

enum { QUOTED_WORDS = 8, QUOTED_BYTES = 120 };

static const char lorem[] =
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt "
    "ut labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation "
    "ullamco laboris nisi ut aliquip ex ea commodo consequat. Duis aute irure dolor in "
    "reprehenderit in voluptate velit esse cillum dolore eu fugiat nulla pariatur. Excepteur "
    "sint occaecat cupidatat non proident, sunt in culpa qui officia deserunt mollit anim id "
    "est laborum.";

/* Emoji (a pair each), a family joined by zero-width joiners, flags, CJK, right-to-left,
 * combining marks, and what JSON has to escape. */
static const char unicode[] =
    "\xF0\x9F\x98\x80 smile, \xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D"
    "\xF0\x9F\x91\xA7 family, \xF0\x9F\x87\xA9\xF0\x9F\x87\xAA flag, "
    "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C, "
    "\xE3\x81\x93\xE3\x82\x93\xE3\x81\xAB\xE3\x81\xA1\xE3\x81\xAF, "
    "\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7, e\xCC\x81 combined, "
    "\xF0\x9D\x94\x98\xF0\x9F\xA6\x80\xF0\x9F\x9A\x80 in a row, "
    "\"quotes\" \\ back / slash\ttab\nline, NUL-free end \xF0\x9F\x8E\x89";

enum err sim_answer_bytes(struct buf *out, size_t n, uint32_t seed)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n0123456789";
    char *room;
    enum err err = buf_reserve(out, n, &room);

    if (err)
        return err;
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525U + 1013904223U;
        room[i] = letters[seed >> 26];
    }
    buf_commit(out, n);
    return ERR_NONE;
}

enum err sim_answer_lorem(struct buf *out, size_t n)
{
    struct str rest = STR("");
    enum err err = ERR_NONE;

    for (size_t i = 0; i < n && !err; i++) {
        if (rest.n == 0)
            rest = str_of(lorem);
        if (i > 0)
            err = buf_add_char(out, ' ');
        if (!err)
            err = buf_add(out, str_cut(rest, ' ', &rest));
    }
    return err;
}

static enum err add_frames(struct buf *out, uint64_t n)
{
    enum err err = ERR_NONE;

    for (uint64_t i = 1; i <= n && !err; i++)
        err = buf_addf(out, i == n ? "frame%llu" : "frame%llu ", (unsigned long long)i);
    return err;
}

static enum err add_history(struct buf *out, const struct str *prompts, size_t n)
{
    struct json_writer w;

    json_w_init(&w, out);
    json_w_array(&w);
    for (size_t i = 0; i < n; i++)
        json_w_str(&w, prompts[i]);
    json_w_array_end(&w);
    return json_w_end(&w);
}

/* Of a transcript, what its last user block says; else the whole prompt. */
static struct str last_user_text(struct str prompt)
{
    struct str text = prompt;

    for (;;) {
        size_t at = str_find(text, STR("<user"));
        size_t end;

        if (at == SIZE_MAX)
            break;
        text = str_from(text, at + 5);
        end = str_find(text, STR(">\n"));
        if (end > 20)
            continue;
        prompt = str_from(text, end + 2);
        end = str_find(prompt, STR("\n</user"));
        prompt = str_sub(prompt, 0, end);
    }
    return prompt;
}

/* Cuts the next run without white space off *rest, at most `max` bytes in whole characters. */
static struct str cut_word(struct str *rest, size_t max)
{
    struct str word = str_trim(*rest);
    size_t n = 0;

    while (n < word.n && n < max && (unsigned char)word.p[n] > ' ')
        n++;
    while (n > 0 && n < word.n && ((unsigned char)word.p[n] & 0xc0) == 0x80)
        n--;
    *rest = str_from(word, n);
    word.n = n;
    return word;
}

/* The first words, white space made single. */
static enum err add_quote(struct buf *out, struct str prompt)
{
    struct str rest = last_user_text(prompt);
    size_t room = QUOTED_BYTES;
    enum err err = buf_add_char(out, '"');

    for (int i = 0; i < QUOTED_WORDS && room > 0 && !err; i++) {
        struct str word = cut_word(&rest, room);

        if (word.n == 0)
            break;
        room -= word.n;
        if (i > 0)
            err = buf_add_char(out, ' ');
        if (!err)
            err = buf_add(out, word);
    }
    if (!err && str_trim(rest).n > 0)
        err = buf_add(out, STR(" ..."));
    return err ? err : buf_add_char(out, '"');
}

static enum err add_demo(struct buf *out, const struct str *prompts, size_t n)
{
    enum err err = buf_addf(out,
                            "Hello from the built-in simulator! This is turn %zu of our "
                            "chat. You wrote: ",
                            n);

    if (!err)
        err = add_quote(out, prompts[n - 1]);
    if (!err && n > 1) {
        err = buf_add(out, STR(". Before that you wrote: "));
        if (!err)
            err = add_quote(out, prompts[n - 2]);
    }
    return err ? err
               : buf_add(out,
                         STR(". No model was asked and nothing left this machine. To talk to a "
                             "real one, put your cookie into .env. Meanwhile, try a line "
                             "such as !lorem 100, !history, !think a while, or !unicode."));
}

static enum err add_said(struct buf *out, struct str raw)
{
    struct json_value v;
    struct json j;

    json_init(&j, raw, 4);
    json_read(&j, &v);
    return json_text_add(&v, out);
}

static enum err write_text(const struct sim_wish *w, const struct str *prompts, size_t n,
                           struct buf *out)
{
    if (w->is_wrong)
        return buf_addf(out, "simulator: %s", w->what);
    switch (w->answer) {
    case SIM_ANSWER_DEMO:
        return add_demo(out, prompts, n);
    case SIM_ANSWER_ECHO:
        return buf_add(out, w->text);
    case SIM_ANSWER_SAY:
        return add_said(out, w->text);
    case SIM_ANSWER_HISTORY:
        return add_history(out, prompts, n);
    case SIM_ANSWER_REPEAT:
        return buf_add(out, n > 1 ? prompts[n - 2] : STR("nothing before this"));
    case SIM_ANSWER_TURN:
        return buf_addf(out, "%zu", n);
    case SIM_ANSWER_LOREM:
        return sim_answer_lorem(out, (size_t)w->number);
    case SIM_ANSWER_BYTES:
        return sim_answer_bytes(out, (size_t)w->number, (uint32_t)w->seed);
    case SIM_ANSWER_FRAMES:
        return add_frames(out, w->number);
    case SIM_ANSWER_UNICODE:
        return buf_add(out, str_of(unicode));
    case SIM_ANSWER_MODEL:
        return buf_add(out, w->model);
    }
    return ERR_BAD_INPUT;
}

enum err sim_answer_write(const struct sim_wish *wish, const struct str *prompts, size_t n_prompts,
                          struct buf *text, struct buf *thinking)
{
    enum err err = write_text(wish, prompts, n_prompts, text);

    if (err)
        return err;
    if (wish->think.p)
        return buf_add(thinking, wish->think);
    return sim_answer_lorem(thinking, (size_t)wish->settings.thinking);
}
