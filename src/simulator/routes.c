/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every request of the simulator: which route it is, whether it is proper, what is to go wrong,
 * and only then its answer. A fault therefore hits the first proper request.
 */
#include "base/clock.h"
#include "simulator/call.h"
#include "simulator/openai.h"

/* To add an endpoint, write its functions and name it here. */
static const struct sim_route routes[] = {
    { HTTP_GET, "/v1/client", SIM_AT_CLIENT, "client", sim_check_client, sim_run_client },
    { HTTP_GET, "/v1/me/organization_memberships", SIM_AT_CLIENT, "memberships", sim_check_client,
      sim_run_memberships },
    { HTTP_POST, "/v1/client/sessions/{}/tokens", SIM_AT_TOKEN, "token", sim_check_token,
      sim_run_token },
    { HTTP_GET, "/chat/adapters", SIM_AT_ADAPTERS, "adapters", sim_check_bearer, sim_run_adapters },
    { HTTP_GET, "/billing", SIM_AT_BILLING, "billing", sim_check_bearer, sim_run_billing },
    { HTTP_POST, "/engine-agent/chat", SIM_AT_POST, "post", sim_check_post, sim_run_post },
    { HTTP_DELETE, "/engine-agent/chat-histories/{}", SIM_AT_DELETE, "delete", sim_check_bearer,
      sim_run_delete },
    { HTTP_PATCH, "/teams/preferred-model", SIM_AT_PREFERRED, "preferred_model",
      sim_check_preferred, sim_run_preferred },
    { HTTP_POST, "/projects/create-hosted", SIM_AT_PROJECT, "project", sim_check_project,
      sim_run_project },
    { HTTP_POST, "/engine-agent/offers", SIM_AT_OFFERS, "offers", sim_check_offers,
      sim_run_offers },
    { HTTP_GET, "/engine-agent/chat-histories/{}/buffer/stream", SIM_AT_WS, "ws_open",
      sim_check_stream, sim_run_stream },
    { HTTP_POST, "/oauth/token", SIM_AT_OAUTH, "oauth", sim_check_oauth, sim_run_oauth },
    { HTTP_POST, "/chat/completions", SIM_AT_COMPLETIONS, "completion", sim_check_completion,
      sim_run_completion },
    { HTTP_POST, "/v1/chat/completions", SIM_AT_COMPLETIONS, "completion", sim_check_completion,
      sim_run_completion },
    { HTTP_GET, "/models", SIM_AT_MODELS, "models", sim_check_models, sim_run_models },
    { HTTP_GET, "/v1/models", SIM_AT_MODELS, "models", sim_check_models, sim_run_models },
    { HTTP_POST, "/v1/embeddings", SIM_AT_EMBEDDINGS, "embeddings", sim_check_embeddings,
      sim_run_embeddings },
    { HTTP_POST, "/v1/audio/transcriptions", SIM_AT_AUDIO, "audio", sim_check_audio,
      sim_run_audio },
    { HTTP_POST, "/v1/audio/speech", SIM_AT_AUDIO, "speech", sim_check_speech, sim_run_speech },
    { HTTP_POST, "/v1/files", SIM_AT_FILES, "upload", sim_check_upload, sim_run_upload },
    { HTTP_GET, "/v1/files", SIM_AT_FILES, "files", sim_check_files, sim_run_files },
    { HTTP_GET, "/v1/files/{}", SIM_AT_FILES, "file", sim_check_file, sim_run_file },
    { HTTP_GET, "/v1/files/{}/content", SIM_AT_FILES, "file_content", sim_check_file,
      sim_run_file_content },
    { HTTP_DELETE, "/v1/files/{}", SIM_AT_FILES, "file_delete", sim_check_file,
      sim_run_file_delete },
    { HTTP_GET, "/", SIM_WHERE_COUNT, NULL, NULL, sim_run_about },
    { HTTP_GET, "/__sim/log", SIM_WHERE_COUNT, NULL, NULL, sim_run_log },
    { HTTP_DELETE, "/__sim/log", SIM_WHERE_COUNT, NULL, NULL, sim_run_log_clear },
    { HTTP_GET, "/__sim/state", SIM_WHERE_COUNT, NULL, NULL, sim_run_state },
    { HTTP_GET, "/__sim/faults", SIM_WHERE_COUNT, NULL, NULL, sim_run_faults_list },
    { HTTP_POST, "/__sim/faults", SIM_WHERE_COUNT, NULL, NULL, sim_run_faults },
    { HTTP_DELETE, "/__sim/faults", SIM_WHERE_COUNT, NULL, NULL, sim_run_faults_clear },
    { HTTP_POST, "/__sim/settings", SIM_WHERE_COUNT, NULL, NULL, sim_run_settings },
    { HTTP_POST, "/__sim/lose", SIM_WHERE_COUNT, NULL, NULL, sim_run_lose },
    { HTTP_POST, "/__sim/reset", SIM_WHERE_COUNT, NULL, NULL, sim_run_reset },
};

/* "{}" takes one segment that is not empty. */
static bool matches(const char *pattern, struct str path, struct str *ret_param)
{
    struct str want = str_of(pattern);

    while (want.n > 0) {
        struct str wanted = str_cut(want, '/', &want);
        struct str given = str_cut(path, '/', &path);

        if (str_eq(wanted, STR("{}")) && given.n > 0)
            *ret_param = given;
        else if (!str_eq(wanted, given))
            return false;
        if ((want.p == NULL) != (path.p == NULL))
            return false;
    }
    return path.n == 0;
}

/* What the settings switch off is not there. */
static bool is_offered(const struct simulator *s, const struct sim_route *route)
{
    switch ((int)route->where) {
    case SIM_AT_PREFERRED:
    case SIM_AT_PROJECT:
    case SIM_AT_OFFERS:
        return s->settings.project;
    case SIM_AT_OAUTH:
        return s->settings.native;
    case SIM_AT_COMPLETIONS:
    case SIM_AT_MODELS:
    case SIM_AT_EMBEDDINGS:
    case SIM_AT_AUDIO:
    case SIM_AT_FILES:
        return s->settings.native || s->api_keys[0];
    default:
        return true;
    }
}

static const struct sim_route *find(const struct simulator *s, const struct http_head *head,
                                    struct str *ret_param, bool *ret_path_exists)
{
    *ret_path_exists = false;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!is_offered(s, &routes[i]) || !matches(routes[i].path, head->path, ret_param))
            continue;
        *ret_path_exists = true;
        if (routes[i].method == head->method)
            return &routes[i];
    }
    return NULL;
}

/* ---- on_head: what happens before the body is read ---- */

static void on_head(void *arg, struct http_request *r, size_t *max_body)
{
    static const struct sim_asker asker = { .is_early = true, .account = -1 };
    struct simulator *s = arg;
    const struct sim_fault *fault;
    const struct sim_route *route;
    struct sim_entry entry;
    struct str param;
    struct str rest;
    bool exists;

    (void)max_body;
    route = find(s, &r->head, &param, &exists);
    if (!route || route->where == SIM_WHERE_COUNT)
        return;
    fault = sim_faults_take(&s->faults, route->where, &asker);
    if (!fault)
        return;
    sim_entry_init(s, r, route->kind, &entry);
    entry.fault = sim_fault_name((enum sim_kind)fault->kind);
    sim_journal_add(s->journal, &entry);
    conn_close(http_request_take_conn(r, STR(""), &rest), fault->kind == SIM_RESET_EARLY);
}

/* ---- on_request ---- */

static void on_gone(void *arg)
{
    struct sim_call *c = arg;

    timer_disarm(&c->timer);
    sim_call_log(c, 0);
}

static void copy_fault(struct sim_call *c, const struct sim_fault *f)
{
    struct arena *a = &c->r->arena;

    c->fault = *f;
    c->fault.retry_after = f->retry_after.p ? arena_dup(a, f->retry_after) : f->retry_after;
    c->fault.body = f->body.p ? arena_dup(a, f->body) : f->body;
    c->fault.type = f->type.p ? arena_dup(a, f->type) : f->type;
    c->entry.fault = sim_fault_name((enum sim_kind)f->kind);
}

/* The whole way: check, fault, run. */
static void go(struct sim_call *c)
{
    const struct sim_route *route = c->route;
    const struct sim_fault *fault;
    struct sim_asker asker;

    if (route->check && !route->check(c))
        return;
    if (route->where != SIM_WHERE_COUNT) {
        asker = (struct sim_asker){ .prompt = c->prompt,
                                    .origin = c->origin,
                                    .account = sim_call_account(c) };
        fault = sim_faults_take(&c->s->faults, route->where, &asker);
        if (fault)
            copy_fault(c, fault);
    }
    if (!sim_call_goes_wrong(c))
        route->run(c);
}

static struct sim_call *call_new(struct simulator *s, struct http_request *r)
{
    struct sim_call *c = arena_new(&r->arena, struct sim_call);

    c->s = s;
    c->r = r;
    c->fault.kind = SIM_KIND_COUNT;
    r->arg = c;
    r->on_gone = on_gone;
    return c;
}

static void on_request(void *arg, struct http_request *r)
{
    struct simulator *s = arg;
    struct sim_call *c = call_new(s, r);
    bool exists;

    c->route = find(s, &r->head, &c->param, &exists);
    sim_entry_init(s, r, c->route ? c->route->kind : "other", &c->entry);
    if (sim_call_is_recorded(c))
        return;
    if (c->route)
        go(c);
    else
        (void)sim_call_refuse(c, exists ? 405 : 404, NULL, "Route %.*s:%.*s not found",
                              STR_ARGS(r->head.method_text), STR_ARGS(r->head.path));
}

static void write_error(void *arg, const struct http_request *r, int status, const char *what,
                        struct buf *out)
{
    struct json_writer w;

    (void)arg;
    (void)r;
    json_w_init(&w, out);
    json_w_object(&w);
    json_w_member_int(&w, "statusCode", status);
    json_w_member_str(&w, "error", str_of(http_reason(status)));
    json_w_member_str(&w, "message", str_of(what));
    json_w_object_end(&w);
    /* The head alone says enough when the buffer is full. */
    if (json_w_end(&w))
        buf_clear(out);
}

const struct http_service sim_service = {
    .on_head = on_head,
    .on_request = on_request,
    .write_error = write_error,
};
