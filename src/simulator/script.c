/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lays an answer out as packets: state, what comes before the answer, reasoning, text, state,
 * with the faults put in before the piece that they name. See script.h.
 */
#include "simulator/script.h"

#include <stdio.h>

#include "base/mem.h"
#include "simulator/shapes.h"
#include "simulator/stray.h"
#include "simulator/wire.h"

struct builder {
    const struct sim_order *order;
    const struct sim_settings *settings;
    struct sim_script *script;
    struct buf message; /* scratch */
    int pieces;         /* sent so far: what a fault's `at` counts */
    int in_message;     /* of them, since the message id is new */
    int message_number;
    size_t message_start; /* in the text */
    bool is_over;         /* a fault ended the task */
    bool is_done[SIM_FRAME_FAULTS_MAX];
    enum err err; /* sticks */
};

/* ---- packets ---- */

static struct sim_packet *add_packet(struct builder *b, enum sim_wait wait)
{
    struct sim_script *s = b->script;

    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->packets = mem_grow_array(s->packets, s->cap, sizeof(*s->packets));
    }
    s->packets[s->n] = (struct sim_packet){ .end = (uint32_t)s->bytes.n,
                                            .text = s->n > 0 ? s->packets[s->n - 1].text : 0,
                                            .wait = (uint8_t)wait };
    return &s->packets[s->n++];
}

static void act(struct builder *b, enum sim_act what, int arg)
{
    struct sim_packet *p = add_packet(b, SIM_WAIT_EVERY);

    p->act = (uint8_t)what;
    p->arg = arg;
    p->is_fault = true;
}

/* The bytes that were appended since the last packet become one, or part of it. */
static struct sim_packet *seal(struct builder *b, enum sim_wait wait, bool joins)
{
    struct sim_script *s = b->script;

    if (joins && s->n > 0) {
        s->packets[s->n - 1].end = (uint32_t)s->bytes.n;
        return &s->packets[s->n - 1];
    }
    return add_packet(b, wait);
}

/* Sends b->message. */
static struct sim_packet *send_message(struct builder *b, enum sim_wait wait, bool joins)
{
    if (!b->err)
        b->err =
            sim_wire_text(&b->script->bytes, buf_str(&b->message), (size_t)b->settings->fragments);
    buf_clear(&b->message);
    return seal(b, wait, joins);
}

static void note(struct builder *b, enum err err)
{
    if (!b->err)
        b->err = err;
}

/* ---- faults ---- */

static void cancel(struct builder *b)
{
    note(b, sim_shape_state(&b->message, false, true, b->order->task_id));
    send_message(b, SIM_WAIT_NONE, false);
    b->script->has_final = true;
    b->is_over = true;
}

static void send_stray(struct builder *b, const struct sim_fault *f)
{
    struct sim_script *s = b->script;
    size_t text_sent = s->n > 0 ? s->packets[s->n - 1].text : 0;

    note(b, sim_stray_write(&s->bytes, b->order, f, (size_t)b->pieces, text_sent));
    seal(b, SIM_WAIT_NONE, false)->is_fault = true;
}

static void happen(struct builder *b, const struct sim_fault *f)
{
    switch ((int)f->kind) {
    case SIM_RESET:
        act(b, SIM_ACT_RESET, 0);
        break;
    case SIM_CUT:
        act(b, SIM_ACT_CUT, 0);
        break;
    case SIM_CLOSE:
        act(b, SIM_ACT_CLOSE, f->code);
        break;
    case SIM_SILENCE:
        act(b, SIM_ACT_SILENT, 0);
        b->is_over = true;
        break;
    case SIM_PAUSE:
        act(b, SIM_ACT_PAUSE, f->delay_ms);
        break;
    case SIM_CANCELLED:
        cancel(b);
        break;
    case SIM_EMPTY: /* build() and send_ending() see to these */
    case SIM_NO_FINAL:
        break;
    default:
        send_stray(b, f);
        break;
    }
}

static const struct sim_fault *fault_of(const struct builder *b, enum sim_kind kind)
{
    for (size_t i = 0; i < b->order->n_faults; i++)
        if (b->order->faults[i]->kind == (int)kind)
            return b->order->faults[i];
    return NULL;
}

/* Those whose turn it is before piece number `pieces`; at the end all that are left. */
static void let_happen(struct builder *b, bool is_end)
{
    for (size_t i = 0; i < b->order->n_faults && !b->is_over; i++) {
        const struct sim_fault *f = b->order->faults[i];

        if (b->is_done[i] || (!is_end && f->at > b->pieces))
            continue;
        b->is_done[i] = true;
        happen(b, f);
    }
}

/* ---- pieces ---- */

static void name_message(struct builder *b)
{
    const char *id = b->order->message_id;

    if (b->message_number == 0)
        (void)snprintf(b->script->message_id, sizeof(b->script->message_id), "%s", id);
    else
        (void)snprintf(b->script->message_id, sizeof(b->script->message_id), "%s_%d", id,
                       b->message_number + 1);
}

static void send_piece(struct builder *b, enum sim_piece_kind kind, const struct sim_piece *piece)
{
    enum sim_wait wait = b->pieces == 0 ? SIM_WAIT_FIRST : SIM_WAIT_EVERY;
    bool joins = b->pieces % b->settings->coalesce != 0 && b->script->n > 0 &&
                 !b->script->packets[b->script->n - 1].is_fault;

    note(b, sim_shape_piece(&b->message, b->settings, kind, b->script->message_id, piece));
    send_message(b, wait, joins);
    b->pieces++;
    b->in_message++;
}

/* Begins a new message when the old one has had its pieces, unless a pair is cut there. */
static void maybe_new_paragraph(struct builder *b, size_t at, uint32_t carry)
{
    if (b->settings->paragraph == 0 || b->in_message < b->settings->paragraph || carry)
        return;
    b->message_number++;
    b->in_message = 0;
    b->message_start = at;
    name_message(b);
}

static void send_text(struct builder *b, enum sim_piece_kind kind, struct str text)
{
    struct str rest = text;
    struct sim_piece piece;
    uint32_t carry = 0;
    size_t at = 0;

    b->message_start = 0;
    b->in_message = 0;
    while (!b->err && !b->is_over) {
        if (kind == SIM_PIECE_CHAT && rest.n > 0)
            maybe_new_paragraph(b, at, carry);
        if (!sim_shape_cut(b->settings, &rest, &carry, &piece))
            break;
        let_happen(b, false);
        if (b->is_over)
            break;
        at = text.n - rest.n;
        if (b->settings->content == SIM_SNAPSHOT) {
            size_t end = piece.text.n + (size_t)(piece.text.p - text.p);

            piece.head = 0;
            piece.text = str_sub(text, b->message_start, end - b->message_start);
        }
        send_piece(b, kind, &piece);
        if (kind == SIM_PIECE_CHAT)
            b->script->packets[b->script->n - 1].text = (uint32_t)at;
    }
}

/* ---- the whole ---- */

static void send_opening(struct builder *b)
{
    const struct sim_order *o = b->order;
    const struct sim_settings *s = b->settings;

    if (s->running_state) {
        note(b, sim_shape_state(&b->message, true, false, o->task_id));
        send_message(b, SIM_WAIT_NONE, false);
    }
    if (s->label) {
        note(b, sim_shape_label(&b->message, o->prompt));
        send_message(b, SIM_WAIT_NONE, false);
    }
    if (s->echo) {
        note(b, sim_shape_echo(&b->message, s, o->message_id, o->prompt));
        send_message(b, SIM_WAIT_NONE, false);
    }
    for (int i = 0; i < s->activity; i++) {
        note(b, sim_shape_activity(&b->message, s, o->message_id, (size_t)i));
        send_message(b, SIM_WAIT_NONE, false);
    }
}

static void send_ending(struct builder *b)
{
    const struct sim_fault *no_final = fault_of(b, SIM_NO_FINAL);

    if (b->settings->final_state && !no_final) {
        note(b, sim_shape_state(&b->message, false, false, b->order->task_id));
        send_message(b, b->pieces > 0 ? SIM_WAIT_EVERY : SIM_WAIT_FIRST, false);
        b->script->has_final = true;
    }
    if (no_final || b->settings->close_at_end)
        act(b, SIM_ACT_CLOSE, no_final ? no_final->code : 1000);
}

static void build(struct builder *b)
{
    bool is_empty = fault_of(b, SIM_EMPTY) != NULL;

    name_message(b);
    send_opening(b);
    if (!is_empty) {
        send_text(b, SIM_PIECE_THINKING, b->order->thinking);
        send_text(b, SIM_PIECE_CHAT, b->order->text);
    }
    if (!b->is_over)
        let_happen(b, true);
    if (!b->is_over)
        send_ending(b);
    if (!is_empty)
        note(b, buf_add(&b->script->text, b->order->text));
}

static void script_free(struct sim_script *s)
{
    buf_deinit(&s->bytes);
    buf_deinit(&s->text);
    mem_free(s->packets);
    mem_free(s);
}

enum err sim_script_new(const struct sim_order *order, struct sim_script **ret)
{
    struct builder b = { .order = order, .settings = order->settings };

    b.script = mem_new(struct sim_script);
    b.script->refs = 1;
    buf_init(&b.script->bytes, SIM_SCRIPT_MAX);
    buf_init(&b.script->text, SIM_SCRIPT_MAX);
    buf_init(&b.message, SIM_SCRIPT_MAX);
    build(&b);
    buf_deinit(&b.message);
    if (b.err) {
        script_free(b.script);
        return b.err;
    }
    *ret = b.script;
    return ERR_NONE;
}

struct sim_script *sim_script_ref(struct sim_script *s)
{
    s->refs++;
    return s;
}

void sim_script_unref(struct sim_script *s)
{
    if (s && --s->refs == 0)
        script_free(s);
}
