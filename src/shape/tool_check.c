/* SPDX-License-Identifier: Apache-2.0 */
/* The request to repair stands for itself: an upstream without a memory gets no more than that. */
#include "shape/tool_check.h"

#include "shape/tool_prompt.h"

enum { QUOTE_MAX = 2000 };

/* ---- life ---- */

/* Compiling takes a time that grows with the size, so all together have a bound. */
static bool are_small(const struct chat_tools *tools, struct arena *a, struct failure *ret)
{
    size_t size = 0;

    for (size_t i = 0; i < tools->n; i++)
        size += tools->list[i].parameters.n;
    if (size <= TOOL_SCHEMAS_MAX)
        return true;
    failure_set(ret, a, FAILURE_BAD_REQUEST,
                "The schemas of the tools have %zu bytes, and this gateway takes at most %d. Offer "
                "fewer tools, or shorten their schemas.",
                size, TOOL_SCHEMAS_MAX);
    ret->param = STR("tools");
    return false;
}

static bool compile_all(struct tool_check *c, struct arena *a, struct failure *ret)
{
    struct str why;

    for (size_t i = 0; i < c->tools->n; i++) {
        const struct chat_tool *tool = &c->tools->list[i];

        if (tool->parameters.n == 0 || schema_compile(tool->parameters, a, &c->schemas[i], &why))
            continue;
        failure_set(ret, a, FAILURE_BAD_REQUEST,
                    "The parameters of tool \"%.*s\" are no JSON Schema that this gateway can "
                    "use. %.*s. Correct the schema.",
                    STR_ARGS(tool->name), STR_ARGS(why));
        ret->param = arena_printf(a, "tools[%zu]", i);
        return false;
    }
    return true;
}

bool tool_check_init(struct tool_check *c, const struct chat_tools *tools, bool is_held,
                     struct arena *a, struct shape_sink out, struct failure *ret)
{
    *c = (struct tool_check){ .out = out, .tools = tools, .is_held = is_held };
    buf_init(&c->wrong, TOOL_REPAIR_MAX);
    buf_init(&c->arguments, TOOL_ARGUMENTS_MAX);
    if (!are_small(tools, a, ret))
        return false;
    c->schemas = arena_try(a, tools->n * sizeof(const struct schema *));
    if (!c->schemas) {
        failure_set(ret, a, FAILURE_OVERLOADED,
                    "There is no memory for these tools now. Try again later.");
        return false;
    }
    memset(c->schemas, 0, tools->n * sizeof(const struct schema *));
    return compile_all(c, a, ret);
}

void tool_check_deinit(struct tool_check *c)
{
    buf_deinit(&c->wrong);
    buf_deinit(&c->arguments);
}

void tool_check_again(struct tool_check *c, bool is_for_calls)
{
    c->is_last = true;
    c->is_repair = is_for_calls;
    c->n_bad = 0;
    buf_clear(&c->wrong);
}

/* ---- a call ---- */

static struct str name_of(const struct tool_check *c)
{
    return (struct str){ c->name, c->name_n };
}

static const struct chat_tool *find_tool(const struct tool_check *c, struct str name)
{
    for (size_t i = 0; i < c->tools->n; i++)
        if (str_eq(c->tools->list[i].name, name) && tool_is_offered(c->tools, &c->tools->list[i]))
            return &c->tools->list[i];
    return NULL;
}

static enum err put(struct tool_check *c, bool is_first, struct str arguments)
{
    struct chat_tool_piece piece = { .index = c->n_good, .arguments = arguments };

    if (is_first) {
        piece.id = (struct str){ c->id, TOOL_ID_LEN };
        piece.name = name_of(c);
    }
    return sink_tool(&c->out, &piece);
}

static enum err begin(struct tool_check *c, const struct chat_tool_piece *piece)
{
    BUG_ON(piece->id.n != TOOL_ID_LEN || piece->name.n > TOOL_TAG_MAX);
    memcpy(c->id, piece->id.p, piece->id.n);
    memcpy(c->name, piece->name.p, piece->name.n);
    c->name_n = piece->name.n;
    c->tool = find_tool(c, piece->name);
    c->is_dropped = c->tools->is_serial && c->n_good > 0;
    c->is_flowing = !c->is_held && c->tool && !c->is_dropped;
    c->is_too_big = false;
    buf_clear(&c->arguments);
    return c->is_flowing ? put(c, true, piece->arguments) : ERR_NONE;
}

static enum err add(struct tool_check *c, struct str arguments)
{
    enum err err;

    if (c->is_flowing)
        return put(c, false, arguments);
    if (c->is_dropped || c->is_too_big)
        return ERR_NONE;
    err = buf_add(&c->arguments, arguments);
    c->is_too_big = err == ERR_TOO_BIG;
    return c->is_too_big ? ERR_NONE : err;
}

enum err tool_check_feed(struct tool_check *c, const struct chat_event *event)
{
    if (event->type == CHAT_TOOL_CALL)
        return event->tool->name.n > 0 ? begin(c, event->tool) : add(c, event->tool->arguments);
    return c->is_repair ? ERR_NONE : sink_put(&c->out, event);
}

/* ---- judgement ---- */

static void say(struct tool_check *c, const char *format, ...) FORMAT(2, 3);

/* What does not fit any more is not said. */
static void say(struct tool_check *c, const char *format, ...)
{
    enum err err;
    va_list args;

    va_start(args, format);
    err = buf_vaddf(&c->wrong, format, args);
    va_end(args);
    (void)err;
}

static void say_unknown(struct tool_check *c)
{
    const char *before = "- there is no such tool to call; there is ";

    for (size_t i = 0; i < c->tools->n; i++) {
        if (!tool_is_offered(c->tools, &c->tools->list[i]))
            continue;
        say(c, "%s\"%.*s\"", before, STR_ARGS(c->tools->list[i].name));
        before = ", ";
    }
    say(c, "\n");
}

/* Begins what is said of the call at hand. */
static void say_call(struct tool_check *c)
{
    struct str quote = buf_str(&c->arguments);
    size_t n = quote.n < QUOTE_MAX ? quote.n : QUOTE_MAX;

    while (n < quote.n && n > 0 && ((unsigned char)quote.p[n] & 0xC0) == 0x80)
        n--;
    say(c, "The call of \"%.*s\" with %.*s%s\n", STR_ARGS(name_of(c)), (int)n, quote.p,
        n < quote.n ? "..." : "");
}

static bool fits_schema(struct tool_check *c)
{
    const struct schema *schema = c->schemas[c->tool - c->tools->list];
    size_t start = c->wrong.n;

    say_call(c);
    switch (schema ? schema_check(schema, buf_str(&c->arguments), &c->wrong) : SCHEMA_FITS) {
    case SCHEMA_FITS:
        break;
    case SCHEMA_MISFIT:
        if (!c->is_last || c->tool->is_strict)
            return false;
        break; /* the client knows better what it can bear */
    case SCHEMA_UNDECIDED:
        say(c, "- it takes too much work to check the arguments: make them simpler\n");
        return false;
    }
    buf_truncate(&c->wrong, start);
    return true;
}

static void say_deep(struct tool_check *c)
{
    say(c, "- the arguments are nested too deep: more than %d arrays and objects in one another\n",
        JSON_PREFIX_DEPTH);
}

/* Whether the call at hand is good; else what is wrong is said. */
static bool judge(struct tool_check *c, enum tool_call_end end)
{
    if (c->tool && end == TOOL_CALL_WHOLE && !c->is_too_big)
        return fits_schema(c);
    say_call(c);
    if (!c->tool)
        say_unknown(c);
    else if (c->is_too_big)
        say(c, "- the arguments are longer than %d bytes\n", TOOL_ARGUMENTS_MAX);
    else if (end == TOOL_CALL_DEEP)
        say_deep(c);
    else
        say(c, "- the arguments are no valid JSON: they are right up to there, and what follows "
               "is wrong or missing\n");
    return false;
}

enum err tool_check_ended(struct tool_check *c, enum tool_call_end end)
{
    enum err err = ERR_NONE;

    if (c->is_dropped) {
        c->n_dropped++;
        return ERR_NONE;
    }
    if (c->is_flowing && end != TOOL_CALL_WHOLE) {
        c->is_lost = true;
        say_call(c);
        if (end == TOOL_CALL_DEEP)
            say_deep(c);
        else
            say(c, "- the arguments are no valid JSON\n");
        return ERR_NONE;
    }
    if (!c->is_flowing) {
        if (!judge(c, end)) {
            c->n_bad++;
            return ERR_NONE;
        }
        err = put(c, true, buf_str(&c->arguments));
    }
    c->n_good++;
    return err;
}

/* ---- end ---- */

static bool is_call_due(const struct tool_check *c)
{
    return c->n_good == 0 &&
           (c->tools->choice == CHAT_CHOOSE_REQUIRED || c->tools->choice == CHAT_CHOOSE_NAMED);
}

static struct str repair_text(const struct tool_check *c, struct arena *a)
{
    return arena_printf(a,
                        "Your last answer did not do:\n\n%.*s\n"
                        "Write %s once more, corrected, each so and with nothing around it:\n\n"
                        "<tool_call name=\"NAME\">\n{\"parameter\": \"value\"}\n</tool_call>\n",
                        STR_ARGS(buf_str(&c->wrong)),
                        c->n_bad > 0 ? "only these calls" : "it as a tool call");
}

enum tool_outcome tool_check_end(struct tool_check *c, struct arena *a, struct str *ret)
{
    bool is_due = c->n_bad == 0 && is_call_due(c);

    *ret = (struct str){ "", 0 };
    if (is_due)
        say(c, c->tools->choice == CHAT_CHOOSE_NAMED
                   ? "- it has no call of the tool that must be called\n"
                   : "- it has no tool call, and must have one\n");
    else if (c->is_repair && c->n_good == 0 && c->n_bad == 0)
        say(c, "- it has no tool call\n");
    if (c->wrong.n == 0)
        return c->n_good > 0 ? TOOLS_CALLED : TOOLS_NONE;
    if (!c->is_last && !c->is_lost) {
        *ret = repair_text(c, a);
        c->first = arena_dup(a, buf_str(&c->wrong));
        return TOOLS_REPAIR;
    }
    if (c->n_good > 0 && !c->is_lost)
        return TOOLS_CALLED;
    *ret = c->first.n > 0 ? arena_printf(a, "%.*sBefore that:\n%.*s", STR_ARGS(buf_str(&c->wrong)),
                                         STR_ARGS(c->first))
                          : arena_dup(a, buf_str(&c->wrong));
    return TOOLS_LOST;
}
