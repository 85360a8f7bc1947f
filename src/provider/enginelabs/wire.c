/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer of a call is read. Frames may come before the POST's answer, so the end needs both:
 * the stream's word and the POST's.
 */
#include "provider/enginelabs/wire.h"
#include "base/metrics.h"
#include "provider/enginelabs/strange.h"

enum { UNSURE_MS = 1000 }; /* how long after a replay of the last turn our own shows that it runs */

/* Only a prompt that was taken is worked on, even if the POST's answer is still under way. */
static bool note_progress(struct provider_call *c)
{
    if (c->state == CALL_POST && frames_turn_runs(c->frames)) {
        if (timer_is_armed(&c->lost))
            wire_accepted(c);
        else
            call_set_phase(c, PHASE_ACCEPTED);
    }
    return c->state != CALL_DONE;
}

static void fail_frames(struct provider_call *c, enum err err)
{
    const char *name = c->config->name;

    if (err == ERR_PROTOCOL)
        call_fail(c, FAILURE_PROTOCOL,
                  "Upstream \"%s\" changed text that it had already sent. Try again; if it "
                  "happens often, set ENGINELABS_CONTENT.",
                  name);
    else
        call_fail(c, FAILURE_PROTOCOL,
                  "The answer of upstream \"%s\" cannot be kept (%s). Ask for less at once.", name,
                  err_text(err));
}

/* Nothing followed: what looked like a replay is the answer. */
static void on_unsure(void *arg)
{
    struct provider_call *c = arg;
    enum err err;

    if (c->is_paused) { /* more may have come that was not read */
        timer_arm(c->instance->env.loop, &c->unsure, UNSURE_MS, on_unsure, c);
        return;
    }
    err = frames_settle(c->frames);
    if (c->state == CALL_DONE)
        return;
    if (err)
        fail_frames(c, err);
    else if (wire_check_resume(c))
        wire_ended(c);
}

static void judge(struct provider_call *c, enum frames_end end)
{
    if (end == FRAMES_UNSURE)
        timer_arm(c->instance->env.loop, &c->unsure, UNSURE_MS, on_unsure, c);
    else if (!frames_is_unsure(c->frames))
        timer_disarm(&c->unsure);
    c->is_task_over = c->is_task_over || end == FRAMES_FINISHED || end == FRAMES_CANCELLED;
    if (end == FRAMES_FINISHED)
        wire_ended(c);
    else if (end == FRAMES_CANCELLED)
        call_fail(c, FAILURE_INTERRUPTED,
                  "Upstream \"%s\" canceled the task before its answer was complete. Try again.",
                  c->config->name);
    else if (!c->has_emitted)
        c->sink->on_activity(c->arg);
}

void wire_on_message(void *arg, bool is_text, struct str message)
{
    struct provider_call *c = arg;
    enum frames_end end = FRAMES_RUNNING;
    enum err err = ERR_NONE;

    metric_add(METRIC_FRAMES, 1);
    /* Pongs come from a service whose task may hang all the same: no sign of life. */
    if (is_text && str_eq(message, STR("pong")))
        return;
    if (timer_is_armed(&c->quiet))
        wire_wait_for_quiet(c);
    c->has_emitted = false;
    if (is_text)
        err = frames_feed(c->frames, message, &end);
    if (!note_progress(c))
        return;
    if (err)
        fail_frames(c, err);
    else if (wire_check_resume(c))
        judge(c, end);
}

static void on_text(void *arg, struct str text)
{
    struct provider_call *c = arg;

    if (c->state != CALL_DONE)
        resume_take(&c->resume, RESUME_TEXT, text);
}

static void on_reasoning(void *arg, struct str text)
{
    struct provider_call *c = arg;

    if (c->state != CALL_DONE)
        resume_take(&c->resume, RESUME_REASONING, text);
}

static void on_history(void *arg)
{
    resume_by_history(&((struct provider_call *)arg)->resume);
}

static void on_rewind(void *arg)
{
    resume_rewind(&((struct provider_call *)arg)->resume, RESUME_TEXT);
}

static void on_unknown(void *arg, struct str json)
{
    (void)arg;
    strange_note(json);
}

/* What the client does not have yet. */
void wire_emit(void *arg, enum resume_side side, struct str text)
{
    struct provider_call *c = arg;
    enum chat_event_type type = side == RESUME_TEXT ? CHAT_TEXT : CHAT_REASONING;

    if (c->state == CALL_DONE || !call_set_phase(c, PHASE_ANSWERING))
        return;
    c->has_emitted = true;
    c->n_reopened = 0;
    c->has_looked = false;
    c->sink->on_event(c->arg, &(struct chat_event){ .type = type, .text = text });
}

const struct frames_sink wire_frames_sink = { on_text, on_reasoning, on_history, on_rewind,
                                              on_unknown };

/* The turn is over, once the POST was accepted too. */
void wire_ended(struct provider_call *c)
{
    c->has_ended = true;
    if (!c->is_accepted || !wire_is_whole(c))
        return;
    if (frames_has_answer(c->frames))
        call_finish(c, NULL);
    else
        call_fail(
            c, FAILURE_INTERRUPTED,
            "Upstream \"%s\" ended its task without any text: the answer is empty. Try again.",
            c->config->name);
}

/* ---- and let go ---- */

void wire_close(struct provider_call *c)
{
    timer_disarm(&c->reopen);
    timer_disarm(&c->lost);
    wire_drop_socket(c);
    wire_leave_post(c, c->has_ended && c->is_accepted);
}

void wire_take_back_turn(struct provider_call *c)
{
    if (c->is_accepted)
        return;
    if (c->frames)
        frames_turn_refused(c->frames);
    c->has_turn_begun = false;
    c->has_ended = false;
}

void wire_drop_frames(struct provider_call *c)
{
    if (!c->frames)
        return;
    metric_add(METRIC_FRAMES_UNKNOWN, (int64_t)frames_unknown(c->frames));
    metric_add(METRIC_SURROGATES_LOST, (int64_t)frames_surrogates_lost(c->frames));
    frames_free(c->frames);
    c->frames = NULL;
    resume_deinit(&c->resume);
    c->has_turn_begun = false;
    c->has_ended = false;
}
