/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lays a completion out as packets of an event stream: role, reasoning, text, tool calls, finish,
 * usage, [DONE], with the faults before the piece that they name. See completion.h.
 */
#include "base/encoding.h"
#include "base/mem.h"
#include "simulator/completion.h"
#include "simulator/shapes.h"

enum { ARGUMENT_BYTES = 8 };

struct builder {
    const struct sim_completion *order;
    struct sim_settings settings;
    struct sim_chunks *out;
    struct buf json; /* scratch */
    int pieces;      /* sent so far: what a fault's `at` counts */
    bool is_over;    /* a fault ended the stream */
    bool is_done[SIM_FRAME_FAULTS_MAX];
    enum err err; /* sticks */
};

/* ---- packets ---- */

static void note(struct builder *b, enum err err)
{
    if (!b->err)
        b->err = err;
}

static struct sim_packet *add_packet(struct builder *b, size_t end, enum sim_wait wait)
{
    struct sim_chunks *c = b->out;

    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 16;
        c->packets = mem_grow_array(c->packets, c->cap, sizeof(*c->packets));
    }
    c->packets[c->n] = (struct sim_packet){ .end = (uint32_t)end, .wait = (uint8_t)wait };
    return &c->packets[c->n++];
}

/* What was appended since the last packet becomes one, or several of slice_bytes. */
static void seal(struct builder *b, enum sim_wait wait)
{
    size_t start = b->out->n > 0 ? b->out->packets[b->out->n - 1].end : 0;
    size_t slice = (size_t)b->settings.slice_bytes;

    for (; slice > 0 && b->out->bytes.n - start > slice; wait = SIM_WAIT_NONE) {
        start += slice;
        add_packet(b, start, wait);
    }
    add_packet(b, b->out->bytes.n, wait);
}

static void act(struct builder *b, enum sim_act what, int arg)
{
    struct sim_packet *p = add_packet(b, b->out->bytes.n, SIM_WAIT_NONE);

    p->act = (uint8_t)what;
    p->arg = arg;
    b->is_over = what != SIM_ACT_PAUSE;
}

static const struct sim_fault *fault_of(const struct builder *b, enum sim_kind kind)
{
    for (size_t i = 0; i < b->order->n_faults; i++)
        if (b->order->faults[i]->kind == (int)kind)
            return b->order->faults[i];
    return NULL;
}

static void send_data(struct builder *b, struct str data, enum sim_wait wait)
{
    struct buf *out = &b->out->bytes;
    struct str end = fault_of(b, SIM_CRLF) ? STR("\r\n\r\n") : STR("\n\n");

    note(b, buf_add(out, fault_of(b, SIM_NO_SPACE) ? STR("data:") : STR("data: ")));
    note(b, buf_add(out, data));
    note(b, buf_add(out, end));
    seal(b, wait);
}

static void send_chunk(struct builder *b, const struct sim_delta_chunk *d, enum sim_wait wait)
{
    note(b, sim_chunk_write(b->order, d, &b->json));
    send_data(b, buf_str(&b->json), wait);
    buf_clear(&b->json);
}

/* ---- faults ---- */

static void send_line(struct builder *b, const struct sim_fault *f, const char *usual)
{
    note(b, buf_add(&b->out->bytes, f->body.p ? f->body : str_of(usual)));
    note(b, buf_add(&b->out->bytes, STR("\n\n")));
    seal(b, SIM_WAIT_NONE);
}

static void send_error(struct builder *b, const struct sim_fault *f)
{
    static const char usual[] = "{\"error\":{\"message\":\"The server had an error\",\"type\":"
                                "\"server_error\",\"param\":null,\"code\":null}}";

    send_data(b, f->body.p ? f->body : str_of(usual), SIM_WAIT_NONE);
    act(b, SIM_ACT_CLOSE, 0);
}

/* A chunk whose line is so long: a member that nobody knows. */
static void send_long_line(struct builder *b, const struct sim_fault *f)
{
    char *room;

    note(b,
         buf_add(&b->json, STR("{\"object\":\"chat.completion.chunk\",\"choices\":[],\"pad\":\"")));
    note(b, buf_reserve(&b->json, (size_t)f->bytes, &room));
    if (!b->err) {
        memset(room, 'x', (size_t)f->bytes);
        buf_commit(&b->json, (size_t)f->bytes);
    }
    note(b, buf_add(&b->json, STR("\"}")));
    send_data(b, buf_str(&b->json), SIM_WAIT_NONE);
    buf_deinit(&b->json);
}

/* The first two bytes of a character of three. */
static void send_cut_utf8(struct builder *b)
{
    static const char json[] = "{\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,"
                               "\"delta\":{\"content\":\"\xe4\xbd\"},\"finish_reason\":null}]}";

    send_data(b, str_of(json), SIM_WAIT_NONE);
}

static void send_stray(struct builder *b, const struct sim_fault *f)
{
    static const char unknown[] = "{\"object\":\"telemetry\",\"data\":[1,2,3]}";

    switch (f->kind) {
    case SIM_NOT_JSON:
        send_data(b, f->body.p ? f->body : STR("{no"), SIM_WAIT_NONE);
        break;
    case SIM_UNKNOWN:
        send_data(b, f->body.p ? f->body : str_of(unknown), SIM_WAIT_NONE);
        break;
    case SIM_GARBAGE_LINE:
        send_line(b, f, "\x16\x03 this is no event");
        break;
    case SIM_COMMENT:
        send_line(b, f, ": OPENROUTER PROCESSING");
        break;
    case SIM_LONG_LINE:
        send_long_line(b, f);
        break;
    case SIM_CUT_UTF8:
        send_cut_utf8(b);
        break;
    case SIM_EMPTY_CHOICES:
        send_chunk(b, &(struct sim_delta_chunk){ .kind = SIM_DELTA_NOTHING }, SIM_WAIT_NONE);
        break;
    default: /* of the whole stream, and seen to elsewhere */
        break;
    }
}

static void happen(struct builder *b, const struct sim_fault *f)
{
    switch (f->kind) {
    case SIM_RESET:
        act(b, SIM_ACT_RESET, 0);
        break;
    case SIM_CUT:
        act(b, SIM_ACT_CUT, 0);
        break;
    case SIM_CLOSE:
        act(b, SIM_ACT_CLOSE, 0);
        break;
    case SIM_HANG:
    case SIM_SILENCE:
        act(b, SIM_ACT_SILENT, 0);
        break;
    case SIM_PAUSE:
        act(b, SIM_ACT_PAUSE, f->delay_ms);
        break;
    case SIM_ERROR:
        send_error(b, f);
        break;
    default:
        send_stray(b, f);
        break;
    }
}

/* Those whose turn it is before piece number `pieces`; at the end all that are left. */
static void let_happen(struct builder *b, bool is_end)
{
    for (size_t i = 0; i < b->order->n_faults && !b->is_over; i++) {
        if (b->is_done[i] || (!is_end && b->order->faults[i]->at > b->pieces))
            continue;
        b->is_done[i] = true;
        happen(b, b->order->faults[i]);
    }
}

/* ---- pieces ---- */

/* The same piece of every choice. */
static void send_piece(struct builder *b, struct sim_delta_chunk d)
{
    let_happen(b, false);
    for (d.choice = 0; d.choice < b->order->n && !b->is_over; d.choice++) {
        enum sim_wait wait = b->pieces == 0 ? SIM_WAIT_FIRST : SIM_WAIT_EVERY;

        send_chunk(b, &d, d.choice == 0 ? wait : SIM_WAIT_NONE);
    }
    b->pieces++;
}

static void send_text(struct builder *b, enum sim_delta_kind kind, struct str text)
{
    struct sim_piece piece;
    uint32_t carry = 0;

    while (!b->is_over && sim_shape_cut(&b->settings, &text, &carry, &piece))
        send_piece(b, (struct sim_delta_chunk){ .kind = kind, .text = piece.text });
}

static void send_marks(struct builder *b)
{
    struct buf mark;

    for (int i = 1; i < b->order->n && !b->is_over; i++) {
        buf_init(&mark, 64);
        note(b, sim_choice_mark(i, &mark));
        send_chunk(b,
                   &(struct sim_delta_chunk){
                       .kind = SIM_DELTA_TEXT, .choice = i, .text = buf_str(&mark) },
                   SIM_WAIT_NONE);
        buf_deinit(&mark);
    }
}

/* Cuts arguments into a few whole characters each. */
static struct str cut_arguments(struct str *rest)
{
    struct str piece = str_sub(*rest, 0, ARGUMENT_BYTES);

    while (piece.n > 1 && piece.n < rest->n && ((unsigned char)rest->p[piece.n] & 0xc0) == 0x80)
        piece.n--;
    *rest = str_from(*rest, piece.n);
    return piece;
}

static void send_tools(struct builder *b)
{
    const struct sim_wish *wish = b->order->wish;

    for (size_t i = 0; i < wish->n_tools; i++) {
        struct str rest = wish->tools[i].arguments;

        send_piece(b, (struct sim_delta_chunk){ .kind = SIM_DELTA_TOOL, .tool = i });
        while (!b->is_over && rest.n > 0)
            send_piece(b, (struct sim_delta_chunk){ .kind = SIM_DELTA_ARGUMENTS,
                                                    .tool = i,
                                                    .text = cut_arguments(&rest) });
    }
}

/* ---- the whole ---- */

static void send_to_all_choices(struct builder *b, enum sim_delta_kind kind, enum sim_wait wait)
{
    for (int i = 0; i < b->order->n && !b->is_over; i++)
        send_chunk(b, &(struct sim_delta_chunk){ .kind = kind, .choice = i },
                   i == 0 ? wait : SIM_WAIT_NONE);
}

static void send_ending(struct builder *b)
{
    if (!fault_of(b, SIM_NO_FINAL)) {
        send_to_all_choices(b, SIM_DELTA_FINISH, b->pieces > 0 ? SIM_WAIT_NONE : SIM_WAIT_FIRST);
        if (b->order->include_usage)
            send_chunk(b, &(struct sim_delta_chunk){ .kind = SIM_DELTA_USAGE }, SIM_WAIT_NONE);
    }
    if (fault_of(b, SIM_NO_DONE))
        return;
    send_data(b, STR("[DONE]"), SIM_WAIT_NONE);
    if (fault_of(b, SIM_DOUBLE_DONE))
        send_data(b, STR("[DONE]"), SIM_WAIT_NONE);
}

static void build(struct builder *b)
{
    const struct sim_wish *wish = b->order->wish;

    send_to_all_choices(b, SIM_DELTA_ROLE, SIM_WAIT_NONE);
    for (size_t i = 0; i < wish->n_raws; i++)
        send_data(b, wish->raws[i], SIM_WAIT_NONE);
    if (!fault_of(b, SIM_EMPTY)) {
        send_text(b, SIM_DELTA_THINKING, b->order->thinking);
        send_text(b, SIM_DELTA_TEXT, b->order->text);
        if (b->order->text.p)
            send_marks(b);
        send_tools(b);
    }
    let_happen(b, true);
    if (!b->is_over)
        send_ending(b);
}

void sim_chunks_deinit(struct sim_chunks *c)
{
    buf_deinit(&c->bytes);
    mem_free(TAKE(c->packets));
    c->n = c->cap = 0;
}

enum err sim_chunks_make(const struct sim_completion *o, struct sim_chunks *ret)
{
    struct builder b = { .order = o, .settings = o->wish->settings, .out = ret };

    *ret = (struct sim_chunks){ .n = 0 };
    b.settings.split_surrogates = 0;
    buf_init(&ret->bytes, SIM_COMPLETION_MAX);
    buf_init(&b.json, SIM_COMPLETION_MAX);
    build(&b);
    buf_deinit(&b.json);
    if (b.err)
        sim_chunks_deinit(ret);
    return b.err;
}
