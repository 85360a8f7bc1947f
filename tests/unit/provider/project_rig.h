/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of protocol `project` share. */
#pragma once

#include "call_rig.h"

#define MODELS                                                            \
    "{\"chatAdapters\":[{\"key\":\"gpt_5\",\"engineAgentKey\":\"GPT5\"}," \
    "{\"key\":\"claude\",\"engineAgentKey\":\"Claude\"}]}"

static inline void open_rig(struct rig *r)
{
    static const char *const models[] = { "gpt_5", "claude", NULL };

    rig_open(r);
    r->config.protocol = PROTOCOL_PROJECT;
    r->config.models = models;
    r->model = "gpt_5";
    fake_say(&r->fake, FAKE_ADAPTERS, 200, MODELS);
}

static inline void begin(struct rig *r)
{
    open_rig(r);
    rig_attach(r);
}

/* A call for a model, which is not run yet. */
static inline void ask(struct rig *r, struct watch *w, const char *model, const char *text)
{
    watch_init(w, r);
    w->model = model;
    watch_start(w, (const char *const[]){ text, NULL });
}

static inline void answered(struct watch *w)
{
    RUN_UNTIL(w->rig->loop, watch_is_over(w));
    EXPECT_Z(w->message, "");
    EXPECT(w->is_finished);
    watch_settle(w, SETTLE_EXACT);
}

/* Another model can be had: nobody holds the pin. */
static inline void expect_pin_is_free(struct rig *r)
{
    struct watch w;

    RUN_UNTIL(r->loop, !r->fake.socket);
    for (enum fake_place p = 0; p < FAKE_PLACES; p++) {
        RUN_UNTIL(r->loop, !r->fake.at[p].held);
        if (p != FAKE_ADAPTERS)
            fake_reset(&r->fake, p);
    }
    ask(r, &w, "claude", "u:Next");
    answered(&w);
    EXPECT_Z(r->fake.at[FAKE_PREFER].body, "{\"modelKey\":\"claude\"}");
}

/* Requests that belong to a prompt, each as a letter. */
static const char *order(struct rig *r, char out[FAKE_ORDER + 1])
{
    static const char letters[FAKE_PLACES] = {
        [FAKE_PREFER] = 'M', [FAKE_PROJECT] = 'C', [FAKE_OFFERS] = 'O',
        [FAKE_STREAM] = 'S', [FAKE_POST] = 'P',    [FAKE_DELETE] = 'D'
    };
    size_t n = 0;

    for (size_t i = 0; i < r->fake.n_order; i++)
        if (letters[r->fake.order[i]])
            out[n++] = letters[r->fake.order[i]];
    out[n] = '\0';
    r->fake.n_order = 0;
    return out;
}

#define EXPECT_ORDER(r, want)           \
    do {                                \
        char got_[FAKE_ORDER + 1];      \
        EXPECT_Z(order(r, got_), want); \
    } while (0)

static inline void idle_turns(struct rig *r)
{
    for (int i = 0; i < 50; i++)
        run_turn_now(r->loop);
}
