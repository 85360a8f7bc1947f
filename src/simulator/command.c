/* SPDX-License-Identifier: Apache-2.0 */
/* Commands in a prompt; see command.h. */
#include "simulator/command.h"

#include "base/hash.h"

typedef enum err run_command(struct sim_wish *w, struct str rest);

static run_command on_echo, on_say, on_history, on_repeat, on_turn, on_lorem, on_bytes, on_frames,
    on_unicode, on_model, on_tool, on_raw, on_think, on_set, on_pacing, on_fault, on_then;

static const struct {
    const char *name;
    run_command *run;
} commands[] = {
    { "!echo", on_echo },     { "!say", on_say },       { "!history", on_history },
    { "!repeat", on_repeat }, { "!turn", on_turn },     { "!lorem", on_lorem },
    { "!bytes", on_bytes },   { "!frames", on_frames }, { "!unicode", on_unicode },
    { "!model", on_model },   { "!tool", on_tool },     { "!raw", on_raw },
    { "!think", on_think },   { "!set", on_set },       { "!pacing", on_pacing },
    { "!fault", on_fault },   { "!then", on_then },
};

static enum err answer(struct sim_wish *w, enum sim_answer kind, struct str text)
{
    w->answer = kind;
    w->text = text;
    return ERR_NONE;
}

static enum err number(struct sim_wish *w, struct str word, const char *of, uint64_t *ret)
{
    if (str_to_u64(word, SIM_NUMBER_MAX, ret))
        return sim_complain(w->what, "%s takes a number up to %d, not \"%.*s\"", of, SIM_NUMBER_MAX,
                            STR_ARGS(word));
    return ERR_NONE;
}

static enum err on_echo(struct sim_wish *w, struct str rest)
{
    return answer(w, SIM_ANSWER_ECHO, rest);
}

static enum err on_say(struct sim_wish *w, struct str rest)
{
    struct json_value v;
    struct json j;

    json_init(&j, rest, 4);
    json_read(&j, &v);
    if (json_end(&j) || v.type != JSON_STRING)
        return sim_complain(w->what, "!say takes a JSON string");
    return answer(w, SIM_ANSWER_SAY, v.raw);
}

static enum err on_history(struct sim_wish *w, struct str rest)
{
    return answer(w, SIM_ANSWER_HISTORY, rest);
}

static enum err on_repeat(struct sim_wish *w, struct str rest)
{
    return answer(w, SIM_ANSWER_REPEAT, rest);
}

static enum err on_turn(struct sim_wish *w, struct str rest)
{
    return answer(w, SIM_ANSWER_TURN, rest);
}

static enum err on_lorem(struct sim_wish *w, struct str rest)
{
    w->answer = SIM_ANSWER_LOREM;
    return number(w, sim_next_word(&rest), "!lorem", &w->number);
}

static enum err on_bytes(struct sim_wish *w, struct str rest)
{
    enum err err = number(w, sim_next_word(&rest), "!bytes", &w->number);
    struct str seed = sim_next_word(&rest);

    w->answer = SIM_ANSWER_BYTES;
    if (!err && seed.n > 0 && str_to_u64(seed, UINT32_MAX, &w->seed))
        return sim_complain(w->what, "!bytes N SEED takes a seed below 2^32");
    return err;
}

/* One word a piece, so that N words are N frames. */
static enum err on_frames(struct sim_wish *w, struct str rest)
{
    struct str word = sim_next_word(&rest);
    uint64_t every;

    w->answer = SIM_ANSWER_FRAMES;
    w->settings.words = 1;
    w->settings.piece_bytes = 0;
    if (number(w, word, "!frames", &w->number))
        return ERR_BAD_INPUT;
    word = sim_next_word(&rest);
    if (word.n == 0)
        return ERR_NONE;
    if (!str_eq(word, STR("every")) || number(w, sim_next_word(&rest), "!frames N every", &every))
        return sim_complain(w->what, "!frames takes N or N every MS");
    if (every > 3600000)
        return sim_complain(w->what, "!frames N every takes at most 3600000");
    w->settings.every_ms = (int)every;
    w->settings.jitter_ms = 0;
    return ERR_NONE;
}

static enum err on_unicode(struct sim_wish *w, struct str rest)
{
    w->settings.ascii = 1;
    w->settings.split_surrogates = 1;
    return answer(w, SIM_ANSWER_UNICODE, rest);
}

static enum err on_model(struct sim_wish *w, struct str rest)
{
    return answer(w, SIM_ANSWER_MODEL, rest);
}

/* The arguments are whatever is written: a model makes mistakes, too. */
static enum err on_tool(struct sim_wish *w, struct str rest)
{
    struct sim_tool_call *call = &w->tools[w->n_tools];

    call->name = sim_next_word(&rest);
    call->arguments = rest.n > 0 ? rest : STR("{}");
    if (call->name.n == 0)
        return sim_complain(w->what, "!tool takes NAME and arguments");
    w->n_tools++;
    return ERR_NONE;
}

static enum err on_raw(struct sim_wish *w, struct str rest)
{
    w->raws[w->n_raws++] = rest;
    return ERR_NONE;
}

static enum err on_think(struct sim_wish *w, struct str rest)
{
    w->think = rest.p ? rest : STR("");
    return ERR_NONE;
}

static enum err on_set(struct sim_wish *w, struct str rest)
{
    return sim_settings_line(&w->settings, rest, w->what);
}

static enum err on_pacing(struct sim_wish *w, struct str rest)
{
    struct str first = sim_next_word(&rest);
    struct str every = sim_next_word(&rest);
    enum err err =
        sim_option_set(&sim_setting_options, &w->settings, STR("first_ms"), first, w->what);

    w->settings.jitter_ms = 0;
    if (!err)
        err = sim_option_set(&sim_setting_options, &w->settings, STR("every_ms"), every, w->what);
    return err;
}

static enum err on_fault(struct sim_wish *w, struct str rest)
{
    if (w->n_faults < SIM_COMMANDS_MAX)
        w->faults[w->n_faults++] = rest;
    return ERR_NONE;
}

/* Is for a later prompt. */
static enum err on_then(struct sim_wish *w, struct str rest)
{
    (void)w;
    (void)rest;
    return ERR_NONE;
}

static run_command *find(struct str line)
{
    struct str word = sim_next_word(&line);

    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (str_eq(word, str_of(commands[i].name)))
            return commands[i].run;
    return NULL;
}

/* Cuts the last line off *text. */
static struct str take_last_line(struct str *text)
{
    size_t from = text->n;
    struct str line;

    while (from > 0 && text->p[from - 1] != '\n')
        from--;
    line = str_from(*text, from);
    text->n = from > 0 ? from - 1 : 0;
    return line;
}

static bool is_passed_over(struct str line)
{
    return line.n == 0 || (str_starts(line, STR("</")) && str_ends(line, STR(">")));
}

static size_t collect(struct str text, struct str lines[SIM_COMMANDS_MAX])
{
    size_t n = 0;

    while (text.n > 0 && n < SIM_COMMANDS_MAX) {
        struct str line = str_trim(take_last_line(&text));

        if (is_passed_over(line) && n == 0)
            continue;
        if (!find(line))
            break;
        lines[n++] = line;
    }
    return n;
}

/* What the last !then of a prompt that ends in no command says; p NULL: there is none. */
static struct str find_then(struct str text)
{
    while (text.n > 0) {
        struct str line = str_trim(take_last_line(&text));

        if (str_starts(line, STR("!then ")))
            return str_from(line, strlen("!then "));
    }
    return (struct str){ NULL, 0 };
}

void sim_wish_parse(struct str prompt, const struct sim_settings *in_force, struct sim_wish *ret)
{
    struct str lines[SIM_COMMANDS_MAX];
    size_t n = collect(prompt, lines);

    *ret = (struct sim_wish){ .answer = SIM_ANSWER_DEMO, .settings = *in_force };
    if (n == 0) {
        struct str said = find_then(prompt);

        ret->is_wrong = said.p && on_say(ret, str_trim(said));
    }
    while (n-- > 0 && !ret->is_wrong) {
        struct str rest = lines[n];
        run_command *run = find(rest);

        (void)sim_next_word(&rest);
        if (run(ret, rest) == ERR_NONE)
            continue;
        ret->is_wrong = true;
        if (!ret->what[0])
            (void)sim_complain(ret->what, "cannot do \"%.*s\"", STR_ARGS(lines[n]));
    }
}

uint64_t sim_prompt_origin(struct str prompt)
{
    unsigned char digest[SHA256_LEN];
    struct sha256 h;
    uint64_t origin;

    sha256_init(&h);
    sha256_add(&h, prompt);
    sha256_end(&h, digest);
    memcpy(&origin, digest, sizeof(origin));
    return origin ? origin : 1;
}
