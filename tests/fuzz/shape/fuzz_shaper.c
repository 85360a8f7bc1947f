/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer, perhaps a second one behind NUL, through all stages; the first byte chooses which,
 * the second the cut. Property: where it is cut does not matter. What comes out as text of an
 * answer that had to be JSON is JSON.
 */
#include "base/encoding.h"
#include "shape/shaper.h"
#include "json/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 22 };

struct run {
    struct buf text;
    struct buf calls;
    struct shape_result result;
};

static enum err on_event(void *arg, const struct chat_event *event)
{
    struct run *r = arg;

    if (event->type != CHAT_TOOL_CALL)
        return event->type == CHAT_TEXT ? buf_add(&r->text, event->text)
                                        : buf_add(&r->calls, event->text);
    if (event->tool->name.n > 0)
        BUG_ON(buf_addf(&r->calls, "\x01%.*s %zu\x01", STR_ARGS(event->tool->name),
                        event->tool->index));
    return buf_add(&r->calls, event->tool->arguments);
}

/* Pieces of whole characters, as events have. */
static size_t piece(struct str text, size_t at, size_t n)
{
    size_t end = at + n;

    while (end < text.n && ((unsigned char)text.p[end] & 0xC0) == 0x80)
        end++;
    return (end < text.n ? end : text.n) - at;
}

static void feed(struct shaper *s, struct str text, size_t cut)
{
    for (size_t at = 0; at < text.n;) {
        const size_t n = piece(text, at, at < cut ? cut - at : 1 + at % 5);
        const struct chat_event event = { .type = CHAT_TEXT, .text = str_sub(text, at, n) };

        BUG_ON(shaper_feed(s, &event));
        at += n;
    }
}

static void run(struct str text, uint8_t asks, size_t cut, struct run *r)
{
    const struct chat_tool list[] = {
        { STR("get"),
          { NULL, 0 },
          STR("{\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}"),
          asks >> 7 & 1,
          false },
        { STR("now"), { NULL, 0 }, { NULL, 0 }, false, false },
    };
    const struct chat_tools tools = {
        list, 2, (enum chat_tool_choice)(asks & 1 ? 2 : 0), { NULL, 0 }, asks >> 1 & 1
    };
    const struct chat_format format = { .type = CHAT_FORMAT_JSON_OBJECT };
    const struct str stops[] = { STR("STOP"), STR("TOP}") };
    const struct chat_limits limits = { stops, asks >> 2 & 1 ? 2 : 0, asks >> 3 & 1 ? 20 : 0 };
    const struct shape_config config = { .tools = asks >> 4 & 1 ? &tools : NULL,
                                         .format = asks >> 5 & 1 ? &format : NULL,
                                         .limits = &limits,
                                         .is_held = asks >> 6 & 1,
                                         .split_think = asks & 1,
                                         .seed = 1 };
    struct str second;
    struct str first = str_cut(text, '\0', &second);
    struct failure failure;
    struct shaper s;
    struct arena a;

    arena_init(&a);
    buf_init(&r->text, OUT_MAX);
    buf_init(&r->calls, OUT_MAX);
    BUG_ON(!shaper_init(&s, &config, &a, (struct shape_sink){ on_event, r }, &failure));
    feed(&s, first, cut);
    BUG_ON(shaper_end(&s, CHAT_FINISH_STOP, &r->result));
    if (r->result.verdict == SHAPE_REPAIR) {
        shaper_again(&s);
        feed(&s, second, cut);
        BUG_ON(shaper_end(&s, CHAT_FINISH_STOP, &r->result));
        BUG_ON(r->result.verdict == SHAPE_REPAIR);
    }
    if (r->result.verdict == SHAPE_DONE && r->result.finish == CHAT_FINISH_STOP && config.format &&
        r->result.stop == SIZE_MAX) {
        struct json j;

        json_init(&j, buf_str(&r->text), JSON_DEPTH_MAX);
        json_skip(&j);
        BUG_ON(json_end(&j));
    }
    shaper_deinit(&s);
    arena_deinit(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str text = { (const char *)p + 2, n - 2 };
    struct run once;
    struct run cut;

    if (n < 2 || !utf8_is_valid(text))
        return 0;
    run(text, p[0], text.n, &once);
    run(text, p[0], p[1], &cut);
    BUG_ON(!str_eq(buf_str(&once.text), buf_str(&cut.text)));
    BUG_ON(!str_eq(buf_str(&once.calls), buf_str(&cut.calls)));
    BUG_ON(once.result.verdict != cut.result.verdict || once.result.finish != cut.result.finish);
    buf_deinit(&once.text);
    buf_deinit(&once.calls);
    buf_deinit(&cut.text);
    buf_deinit(&cut.calls);
    return 0;
}
