/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/live.h"

#include "gateway/exchange.h"
#include "gateway/exchange_internal.h"
#include "gateway/relay_internal.h"

/* Until an upstream says it, a prompt is as long as its body: counting it is work, and nobody may
 * be held up by who looks on. */
enum { BYTES_A_TOKEN = 4 };

static const char *exchange_state_name(const struct exchange *x)
{
    static const char *const phases[] = {
        [PHASE_QUEUED] = "queued", [PHASE_CONNECTING] = "connecting", [PHASE_UNSENT] = "connecting",
        [PHASE_SENT] = "sent",     [PHASE_ACCEPTED] = "sent",         [PHASE_ANSWERING] = "sent",
    };

    if (x->state == EXCHANGE_ANSWERING)
        return "answering";
    if (x->state == EXCHANGE_SETTLING)
        return "settling";
    return x->call ? phases[x->phase] : "waiting";
}

static const char *relay_state_name(const struct relay *x)
{
    if (x->state == RELAY_ANSWERING)
        return "answering";
    return x->call ? "sent" : "waiting";
}

static void write_member(struct json_writer *j, const char *name, struct str s)
{
    json_w_key(j, name);
    if (s.n)
        json_w_str(j, s);
    else
        json_w_null(j);
}

/* What both have; the object stays open. */
static void begin(struct json_writer *j, const struct gateway_worker *w, const struct record *rec)
{
    json_w_object(j);
    json_w_member_str(j, "id", str_of(rec->request->id));
    json_w_member_str(j, "key", rec->principal->id);
    json_w_member_str(j, "dialect", str_of(rec->dialect));
    json_w_member_int(j, "started", rec->started_wall_ms / 1000);
    json_w_member_int(j, "age_ms", loop_now_ms(w->loop) - rec->started_ms);
}

static int64_t said_tokens(const struct exchange *x)
{
    int64_t now = x->is_counted ? x->counted.completion_tokens
                                : token_estimate_total(&x->said_tokens) +
                                      token_estimate_total(&x->reasoning_tokens);

    return x->usage.completion_tokens + (x->is_asking ? now : 0);
}

static int64_t prompt_tokens(const struct exchange *x)
{
    int64_t now =
        x->is_counted ? x->counted.prompt_tokens : (int64_t)(x->request->body.n / BYTES_A_TOKEN);

    return x->usage.prompt_tokens + (x->is_asking ? now : 0);
}

static void write_exchange(struct json_writer *j, const struct gateway_worker *w,
                           const struct exchange *x)
{
    begin(j, w, x->record);
    json_w_member_str(j, "state", str_of(exchange_state_name(x)));
    write_member(j, "model", str_sub(x->answer.model, 0, 200));
    write_member(j, "upstream", str_of(x->upstream ? x->upstream->name : NULL));
    write_member(j, "account", x->account);
    json_w_member_bool(j, "is_stream", x->chat.stream);
    json_w_key(j, "first_token_ms");
    if (x->first_event_ms)
        json_w_int(j, x->first_event_ms - x->record->started_ms);
    else
        json_w_null(j);
    json_w_member_int(j, "prompt_tokens", prompt_tokens(x));
    json_w_member_int(j, "completion_tokens", said_tokens(x));
    json_w_member_int(j, "attempts", x->attempts);
    json_w_object_end(j);
}

/* Its bodies are not read: there are no tokens to be known. */
static void write_relay(struct json_writer *j, const struct gateway_worker *w,
                        const struct relay *x)
{
    begin(j, w, x->record);
    json_w_member_str(j, "state", str_of(relay_state_name(x)));
    write_member(j, "model", str_sub(x->name, 0, 200));
    write_member(j, "upstream", str_of(x->upstream ? x->upstream->name : NULL));
    write_member(j, "account", x->account);
    json_w_member_bool(j, "is_stream", false);
    json_w_key(j, "first_token_ms");
    json_w_null(j);
    json_w_member_int(j, "prompt_tokens", 0);
    json_w_member_int(j, "completion_tokens", 0);
    json_w_member_int(j, "attempts", x->attempts);
    json_w_object_end(j);
}

size_t live_write(const struct gateway_worker *w, struct json_writer *j, size_t max)
{
    size_t n_exchanges = 0, n_relays = 0;

    LIST_EACH (node, &w->exchanges)
        if (n_exchanges++ < max)
            write_exchange(j, w, CONTAINER_OF(node, struct exchange, node));
    LIST_EACH (node, &w->relays)
        if (n_relays++ < max)
            write_relay(j, w, CONTAINER_OF(node, struct relay, node));
    return n_exchanges + n_relays;
}

size_t live_cancel(struct gateway_worker *w, struct str request_id)
{
    return exchange_cancel(w, request_id) + relay_cancel(w, request_id);
}
