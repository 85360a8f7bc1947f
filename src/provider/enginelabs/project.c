/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each step is one request. The project's name says nothing about the conversation.
 */
#include "provider/enginelabs/project.h"

#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "json/writer.h"

enum { BODY_MAX = 1024, NAME_LEN = 8 };

enum project_step { PROJECT_PREFER, PROJECT_CREATE, PROJECT_OFFERS, PROJECT_DONE };

static const struct {
    const char *target;
    const char *what; /* for messages */
    enum http_method method;
    unsigned next; /* the steps that may follow */
} steps[] = {
    [PROJECT_PREFER] = { API_PREFER_TARGET, "PATCH " API_PREFER_TARGET, HTTP_PATCH,
                         1U << PROJECT_CREATE | 1U << PROJECT_OFFERS | 1U << PROJECT_DONE },
    [PROJECT_CREATE] = { API_PROJECT_TARGET, "POST " API_PROJECT_TARGET, HTTP_POST,
                         1U << PROJECT_OFFERS | 1U << PROJECT_DONE },
    [PROJECT_OFFERS] = { API_OFFERS_TARGET, "POST " API_OFFERS_TARGET, HTTP_POST,
                         1U << PROJECT_DONE },
    [PROJECT_DONE] = { "", "done", HTTP_GET, 0 },
};

struct project {
    struct project_params params; /* jwt and model_key are below */
    on_project *done;
    void *arg;
    enum project_step step;
    bool is_retried;    /* this step */
    bool is_left;       /* no step follows this one */
    struct errand *ask; /* running */
    struct secret jwt;
    struct arena arena;
    struct project_ids ids;
    struct task task; /* the begin, then the end */
};

/* The life of it, in order. */
static void send_step(void *arg);
static void on_answer(void *arg, const struct errand_result *result);
static void go_on(struct project *p);
static void finish(struct project *p, const struct failure *failure,
                   const struct api_status *status);

static void set_step(struct project *p, enum project_step next)
{
    BUG_ON(!(steps[p->step].next & 1U << next));
    p->step = next;
    p->is_retried = false;
}

bool project_id_is_sane(struct str id)
{
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '-' || c == '_'))
            return false;
    }
    return id.n > 0 && id.n < FIELD_ID_MAX;
}

struct project *project_start(const struct project_params *params, on_project *done, void *arg)
{
    struct project *p = mem_new(struct project);

    p->params = *params;
    p->done = done;
    p->arg = arg;
    if (params->ids)
        p->ids = *params->ids;
    secret_set(&p->jwt, params->jwt);
    arena_init(&p->arena);
    p->params.model_key = arena_dup(&p->arena, params->model_key);
    task_init(&p->task, send_step, p);
    loop_defer(http_client_loop(params->client), &p->task);
    return p;
}

static enum err write_body(struct project *p, struct buf *out)
{
    char name[sizeof("chat-") + NAME_LEN];
    struct json_writer w;

    json_w_init(&w, out);
    json_w_object(&w);
    if (p->step == PROJECT_PREFER) {
        json_w_member_str(&w, "modelKey", p->params.model_key);
    } else if (p->step == PROJECT_CREATE) {
        random_id("chat-", NAME_LEN, name);
        json_w_member_str(&w, "projectName", str_of(name));
    } else {
        json_w_member_str(&w, "chatHistoryId", str_of(p->ids.chat));
        json_w_member_str(&w, "surface", STR("ENGINE_AGENT"));
    }
    json_w_object_end(&w);
    return json_w_end(&w);
}

static void send_step(void *arg)
{
    struct project *p = arg;
    struct errand_params params = { .config = p->params.config,
                                    .client = p->params.client,
                                    .jwt = secret_reveal(&p->jwt),
                                    .method = steps[p->step].method,
                                    .target = str_of(steps[p->step].target),
                                    .what = steps[p->step].what,
                                    .connect_timeout_ms = p->params.connect_timeout_ms,
                                    .answer_timeout_ms = p->params.answer_timeout_ms };
    struct buf body;
    enum err err;

    buf_init(&body, BODY_MAX);
    err = write_body(p, &body);
    BUG_ON(err == ERR_TOO_BIG); /* names and ids are bounded */
    params.body = buf_str(&body);
    p->ask = errand_start(&params, on_answer, p);
    buf_deinit(&body);
}

/* Into `out`, or "". */
static void take_id(struct str answer, const char *name, char out[FIELD_ID_MAX])
{
    if (!field_member_scalar(answer, name, out, FIELD_ID_MAX) || !project_id_is_sane(str_of(out)))
        out[0] = '\0';
}

/* False, and it is over: there is no project that a prompt can be sent to. */
static bool take_project(struct project *p, const struct errand_result *result)
{
    struct failure f;

    take_id(result->body, "projectId", p->ids.chat);
    take_id(result->body, "workspaceId", p->ids.workspace);
    if (p->ids.chat[0] && p->ids.workspace[0])
        return true;
    p->ids = (struct project_ids){ .chat = "" };
    failure_set(
        &f, &p->arena, FAILURE_PROTOCOL,
        "the API of upstream \"%s\" answered %s without a usable projectId and workspaceId. "
        "The service may have changed its protocol; look for a newer version of this "
        "gateway.",
        p->params.config->name, steps[p->step].what);
    finish(p, &f, &result->status);
    return false;
}

static void on_answer(void *arg, const struct errand_result *result)
{
    struct project *p = arg;

    p->ask = NULL;
    if (result->failure && result->certainly_unsent && !p->is_retried && !p->is_left) {
        p->is_retried = true;
        send_step(p);
    } else if (result->failure) {
        finish(p, result->failure, &result->status);
    } else if (p->step != PROJECT_CREATE || take_project(p, result)) {
        go_on(p);
    }
}

static void go_on(struct project *p)
{
    if (p->step == PROJECT_OFFERS)
        p->ids.has_offers = true;
    if (p->is_left)
        set_step(p, PROJECT_DONE);
    else if (!p->ids.chat[0])
        set_step(p, PROJECT_CREATE);
    else if (!p->ids.has_offers)
        set_step(p, PROJECT_OFFERS);
    else
        set_step(p, PROJECT_DONE);
    if (p->step == PROJECT_DONE)
        finish(p, NULL, NULL);
    else
        send_step(p);
}

static void retire(void *arg)
{
    struct project *p = arg;

    secret_deinit(&p->jwt);
    arena_deinit(&p->arena);
    mem_free(p);
}

static void let_go(struct project *p)
{
    task_cancel(&p->task);
    errand_cancel(TAKE(p->ask));
    p->done = NULL;
    task_init(&p->task, retire, p);
    loop_retire(http_client_loop(p->params.client), &p->task);
}

static void finish(struct project *p, const struct failure *failure,
                   const struct api_status *status)
{
    struct project_result result = { .failure = failure, .ids = p->ids };
    on_project *done = p->done;

    if (failure) {
        result.status = *status;
        result.what = steps[p->step].what;
    }
    let_go(p);
    done(p->arg, &result);
}

void project_cancel(struct project *p)
{
    if (p && p->done)
        let_go(p);
}

const struct project_ids *project_ids(const struct project *p)
{
    return &p->ids;
}

bool project_leave(struct project *p, on_project *done, void *arg)
{
    if (p->step != PROJECT_CREATE || !p->ask) {
        project_cancel(p);
        return false;
    }
    p->is_left = true;
    p->done = done;
    p->arg = arg;
    return true;
}
