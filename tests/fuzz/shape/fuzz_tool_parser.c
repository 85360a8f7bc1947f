/* SPDX-License-Identifier: Apache-2.0 */
/* An answer with tool calls or what looks like them. Property: where it is cut does not matter, and
 * without a call all of it comes out again. The first byte chooses the cut. */
#include "base/buf.h"
#include "shape/tool_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 22 };

static enum err on_event(void *arg, const struct chat_event *event)
{
    struct buf *out = arg;

    if (event->type == CHAT_TEXT)
        return buf_add(out, event->text);
    if (event->tool->name.n > 0)
        BUG_ON(buf_addf(out, "\x01%.*s\x01", STR_ARGS(event->tool->name)));
    return buf_add(out, event->tool->arguments);
}

static enum err on_ended(void *arg, enum tool_call_end end)
{
    struct buf *out = arg;

    return buf_add_char(out, end == TOOL_CALL_WHOLE ? '\x02' : '\x03');
}

static size_t run(struct str text, size_t cut, struct buf *out)
{
    struct tool_parser p;
    struct chat_event event = { .type = CHAT_TEXT, .text = str_sub(text, 0, cut) };

    buf_init(out, OUT_MAX);
    tool_parser_init(&p, 1, (struct shape_sink){ on_event, out }, on_ended, out);
    BUG_ON(tool_parser_feed(&p, &event));
    for (; cut < text.n; cut += event.text.n) {
        event.text = str_sub(text, cut, 1 + cut % 7);
        BUG_ON(tool_parser_feed(&p, &event));
    }
    BUG_ON(tool_parser_flush(&p));
    return p.n_calls;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str text = { (const char *)p + 1, n - 1 };
    struct buf once;
    struct buf cut;

    if (n < 1)
        return 0;
    if (run(text, text.n, &once) == 0)
        BUG_ON(!str_eq(buf_str(&once), text));
    run(text, p[0] % (text.n + 1), &cut);
    BUG_ON(!str_eq(buf_str(&once), buf_str(&cut)));
    buf_deinit(&once);
    buf_deinit(&cut);
    return 0;
}
