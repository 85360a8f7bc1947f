/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an exchange goes: the targets of its route one after the other, until one of them says the
 * first word of an answer. Which failures move on is the table below; the rest is the client's.
 */
#include "base/clock.h"
#include "gateway/access.h"
#include "gateway/exchange_internal.h"
#include "gateway/record_trace.h"

/* Whether another target may do better. Of a failure that the upstream's own status decides, see
 * moves_status(). */
static bool moves_kind(enum failure_kind kind)
{
    static const enum failure_kind moving[] = {
        FAILURE_QUEUE_TIMEOUT,  FAILURE_RATE_LIMIT,    FAILURE_QUOTA,
        FAILURE_UPSTREAM_AUTH,  FAILURE_CHALLENGE,     FAILURE_UNAVAILABLE,
        FAILURE_INTERRUPTED,    FAILURE_PROTOCOL,      FAILURE_UPSTREAM_TIMEOUT,
        FAILURE_CONTEXT_LENGTH, FAILURE_NOT_SUPPORTED,
    };

    for (size_t i = 0; i < COUNT_OF(moving); i++)
        if (moving[i] == kind)
            return true;
    return false;
}

static bool moves_status(int status)
{
    return status == 401 || status == 402 || status == 403 || status == 408 || status == 409 ||
           status == 429 || status >= 500;
}

bool exchange_failure_moves_on(const struct failure *f)
{
    return f->status ? moves_status(f->status) : moves_kind(f->kind);
}

/* ---- what a target needs ---- */

static const struct upstream *upstream_of(const struct exchange *x, size_t step)
{
    return &x->view->upstreams[x->steps[step].target->upstream];
}

static bool takes_raw(const struct exchange *x, size_t step)
{
    const struct shape_settings *shape = &x->steps[step].target->shape;

    return x->dialect->stream_raw && x->chat.raw.p && !shape->split_think && !shape->think_tags &&
           (upstream_of(x, step)->provider->capabilities & PROVIDER_RAW) != 0;
}

/* What only an upstream that gets the body as it came could judge is for those alone, and what one
 * cannot do is for others. */
static bool fits(const struct exchange *x, size_t step, struct failure *f)
{
    if (takes_raw(x, step))
        return true;
    if (x->chat.doubt.kind == FAILURE_NONE)
        return exchange_fits(x, x->steps[step].target, upstream_of(x, step)->provider->capabilities,
                             f);
    *f = x->chat.doubt;
    return false;
}

/* False when none is left; `f` says why the first is not. */
static bool drop_unfit_steps(struct exchange *x, struct failure *f)
{
    struct failure other;
    size_t n = 0;

    for (size_t i = 0; i < x->n_steps; i++)
        if (fits(x, i, i == 0 ? f : &other))
            x->steps[n++] = x->steps[i];
    x->n_steps = n;
    if (n > 0)
        *f = (struct failure){ 0 };
    return n > 0;
}

static struct str first_user_message(struct exchange *x)
{
    for (size_t i = 0; i < x->chat.n_messages; i++)
        if (x->chat.messages[i].role == CHAT_USER)
            return chat_message_text(&x->chat.messages[i], &x->request->arena);
    return STR("");
}

/* Decodes what was left of the request's texts. */
static bool unescape(struct exchange *x, struct failure *f)
{
    if (!chat_request_unescape(&x->chat, &x->request->arena))
        return true;
    failure_set(f, &x->request->arena, FAILURE_OVERLOADED,
                "There is no memory for this request at the moment; try again later.");
    return false;
}

bool exchange_find_route(struct exchange *x, struct failure *f)
{
    const struct route *route;
    struct str message = STR("");

    x->table = route_book_ref(x->view->routes);
    route = routes_find(x->table->routes, x->chat.model);
    x->answer.model = x->chat.model.n ? x->chat.model : str_of(x->view->settings->default_model);
    if (!route) {
        failure_set(f, &x->request->arena, FAILURE_MODEL_NOT_FOUND,
                    "The model \"%.*s\" does not exist here. GET /v1/models lists those that do.",
                    STR_ARGS(str_sub(x->answer.model, 0, 200)));
        f->param = STR("model");
        return false;
    }
    if (!access_allows(x->record->principal, x->answer.model)) {
        access_set_failure(f, &x->request->arena, x->record->principal, x->answer.model);
        return false;
    }
    x->record->known_model = route_known_name(route);
    if (routes_read_message(route)) {
        if (!unescape(x, f))
            return false;
        message = first_user_message(x);
    }
    x->n_steps = routes_order(x->table->routes, route, x->answer.model, x->record->principal->id,
                              message, x->steps);
    return drop_unfit_steps(x, f);
}

void exchange_drop_route(struct exchange *x)
{
    if (x->table)
        route_book_unref(x->view->routes, x->table);
    x->table = NULL;
}

/* ---- changes of the request ---- */

static void add_edit(struct provider_edit *edits, size_t *n, enum provider_edit_type type,
                     struct str name, struct str value)
{
    BUG_ON(*n == TARGET_EDITS_MAX); /* the settings allow no more */
    edits[(*n)++] = (struct provider_edit){ type, name, value };
}

static const struct provider_edit *edits_of(struct exchange *x, const struct target_settings *t,
                                            size_t *ret_n)
{
    struct provider_edit *edits =
        arena_alloc(&x->request->arena, TARGET_EDITS_MAX * sizeof(*edits));
    size_t n = 0;

    for (size_t i = 0; t->drop && t->drop[i]; i++)
        add_edit(edits, &n, EDIT_DROP, str_of(t->drop[i]), STR(""));
    for (size_t i = 0; i < t->n_rename; i++)
        add_edit(edits, &n, EDIT_RENAME, str_of(t->rename[i].from), str_of(t->rename[i].to));
    for (size_t i = 0; i < t->n_set; i++)
        add_edit(edits, &n, EDIT_SET, str_of(t->set[i].name), t->set[i].json);
    if (t->system_prompt)
        add_edit(edits, &n, EDIT_SYSTEM, STR(""), str_of(t->system_prompt));
    *ret_n = n;
    return edits;
}

static struct chat_message text_message(struct arena *a, enum chat_role role, struct str text)
{
    struct chat_part *part = arena_new(a, struct chat_part);

    *part = (struct chat_part){ .type = CHAT_PART_TEXT, .text = text };
    return (struct chat_message){ .role = role, .parts = part, .n_parts = 1 };
}

/* The request as the present call asks it. `system`: for a provider that sees messages only. */
static const struct chat_request *with_changes(struct exchange *x, const char *system)
{
    struct arena *a = &x->request->arena;
    struct chat_request *chat = arena_new(a, struct chat_request);
    size_t n = 0;

    *chat = x->chat;
    if (x->is_serial)
        chat->n = 1;
    if (!system && !x->repair.n)
        return chat;
    chat->messages = arena_alloc(a, (x->chat.n_messages + 2) * sizeof(*chat->messages));
    if (system)
        chat->messages[n++] = text_message(a, CHAT_SYSTEM, str_of(system));
    memcpy(chat->messages + n, x->chat.messages, x->chat.n_messages * sizeof(*chat->messages));
    n += x->chat.n_messages;
    if (x->repair.n)
        chat->messages[n++] = text_message(a, CHAT_USER, x->repair);
    chat->n_messages = n;
    return chat;
}

/* ---- who is asked ---- */

static bool enter(void *arg, size_t step, enum health_need need)
{
    struct exchange *x = arg;
    const struct gateway *g = x->worker->gateway;

    return health_visit_enter(&x->visit, g->health, &x->view->settings->circuit,
                              str_of(upstream_of(x, step)->name), x->steps[step].model,
                              loop_now_ms(x->worker->loop), need);
}

static bool enter_next(struct exchange *x)
{
    return walk_next(&x->walk, x->n_steps, enter, x, &x->step);
}

void exchange_choose_step(struct exchange *x)
{
    BUG_ON(!enter_next(x));
}

void exchange_judge(struct exchange *x, enum health_verdict verdict)
{
    health_visit_leave(&x->visit, loop_now_ms(x->worker->loop), verdict);
}

/* What comes of the request, of one account or of ourselves says nothing bad of a target. */
enum health_verdict exchange_verdict(const struct failure *f)
{
    if (f->status)
        return f->status >= 500 || f->status == 408 ? HEALTH_BAD
               : f->status == 401 || f->status == 402 || f->status == 403 || f->status == 429 ||
                       f->status == 409
                   ? HEALTH_UNKNOWN
                   : HEALTH_GOOD;
    switch ((int)f->kind) {
    case FAILURE_CHALLENGE:
    case FAILURE_UNAVAILABLE:
    case FAILURE_INTERRUPTED:
    case FAILURE_PROTOCOL:
    case FAILURE_UPSTREAM_TIMEOUT:
        return HEALTH_BAD;
    default:
        return HEALTH_UNKNOWN;
    }
}

bool exchange_moves_on(struct exchange *x, const struct failure *f)
{
    exchange_judge(x, exchange_verdict(f));
    return exchange_failure_moves_on(f) && !x->is_told && enter_next(x);
}

/* ---- one target ---- */

void exchange_start_call(struct exchange *x, const struct provider_sink *sink)
{
    const struct route_step *step = &x->steps[x->step];
    const struct target_settings *t = step->target;
    bool is_raw_kind = (x->provider->capabilities & PROVIDER_RAW) != 0;
    const char *system = is_raw_kind ? NULL : t->system_prompt;
    struct provider_request request = { .chat = &x->chat,
                                        .model = step->model,
                                        .client_model = x->answer.model,
                                        .key_id = x->record->principal->id,
                                        .instructions = x->instructions,
                                        .wants_raw = x->is_raw,
                                        .traceparent = record_traceparent(x->record),
                                        .tracestate = record_tracestate(x->record),
                                        .sink = sink,
                                        .arg = x };

    x->account = STR("");
    x->phase = PHASE_QUEUED;
    if (t->n_set || t->drop || t->n_rename || t->system_prompt)
        request.edits = edits_of(x, t, &request.n_edits);
    if (system || x->is_serial || x->repair.n)
        request.chat = with_changes(x, system);
    usage_begin_call(x);
    x->call = x->provider->start(x->view->instances[t->upstream], &request);
}

bool exchange_start_step(struct exchange *x, const struct provider_sink *sink, struct failure *f)
{
    x->upstream = upstream_of(x, x->step);
    x->provider = x->upstream->provider;
    x->is_raw = takes_raw(x, x->step);
    x->account = STR("");
    x->phase = PHASE_QUEUED;
    if ((!x->is_raw && !unescape(x, f)) || !exchange_shape_begin(x, f))
        return false;
    exchange_start_call(x, sink);
    return true;
}

/* ---- what the answer says of it ---- */

void exchange_wait_begins(struct exchange *x)
{
    if (!x->queued_since_us)
        x->queued_since_us = clock_now_us();
}

void exchange_wait_ends(struct exchange *x, int64_t now_us)
{
    if (x->queued_since_us)
        x->queued_us += now_us - x->queued_since_us;
    x->queued_since_us = 0;
}

void exchange_upstream_begins(struct exchange *x)
{
    if (x->upstream_since_us)
        return;
    x->upstream_since_us = clock_now_us();
    exchange_wait_ends(x, x->upstream_since_us);
}

void exchange_upstream_ends(struct exchange *x)
{
    if (x->upstream_since_us)
        x->upstream_us += clock_now_us() - x->upstream_since_us;
    x->upstream_since_us = 0;
}

void exchange_set_headers(struct exchange *x)
{
    struct http_request *r = x->request;

    exchange_upstream_ends(x);
    gateway_set_headers(r, x->headers, x->upstream ? x->upstream->name : NULL, x->attempts,
                        clock_now_us() - x->started_us - x->upstream_us);
    if (x->trimmed)
        r->extra_headers = arena_printf(&r->arena, "%.*sx-trimmed-messages: %zu\r\n",
                                        STR_ARGS(r->extra_headers), x->trimmed);
}
