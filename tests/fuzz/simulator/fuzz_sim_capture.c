/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture, which a user's file brings, and a request for a completion. Properties: reading
 * either never fails but by saying why; a recorded path, its placeholders replaced, is one that
 * the capture answers, and replacing them again gives the same.
 */
#include "base/mem.h"
#include "simulator/ask.h"
#include "simulator/capture_internal.h"
#include "simulator/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { OUT_MAX = 1 << 24, DEPTH = 64 };

static void check_exchange(struct sim_capture *c, const struct sim_exchange *e)
{
    struct buf first;
    struct buf again;

    if (str_find(e->path, STR("{jwt")) != SIZE_MAX)
        return; /* another each time */
    buf_init(&first, OUT_MAX);
    buf_init(&again, OUT_MAX);
    BUG_ON(sim_capture_fill(c, e->path, 0, &first) != ERR_NONE);
    BUG_ON(!sim_capture_take(c, e->is_socket, e->method, buf_str(&first)));
    BUG_ON(sim_capture_fill(c, e->path, 0, &again) != ERR_NONE);
    BUG_ON(!str_eq(buf_str(&first), buf_str(&again)));
    buf_deinit(&first);
    buf_deinit(&again);
}

static void check_capture(struct str text)
{
    char what[SIM_WHAT_MAX] = "";
    struct sim_capture *c;
    struct json j;

    json_init(&j, text, DEPTH);
    if (sim_capture_read(&j, 1, &c, what)) {
        BUG_ON(!what[0]);
        return;
    }
    for (size_t i = 0; i < c->n; i++)
        check_exchange(c, &c->exchanges[i]);
    sim_capture_free(c);
}

static void check_ask(struct str text)
{
    char what[SIM_WHAT_MAX] = "";
    struct sim_ask ask;
    struct arena arena;

    arena_init(&arena);
    if (sim_ask_read(text, &arena, &ask, what))
        BUG_ON(!what[0]);
    else
        BUG_ON(ask.n_prompts == 0 || ask.n < 1 || !ask.model.p);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct str text = { (const char *)p, n };

    check_capture(text);
    check_ask(text);
    return 0;
}
