/* SPDX-License-Identifier: Apache-2.0 */
/* What is process-wide says only whether and when somebody asked; the question is the port's. */
#include "provider/enginelabs/survey.h"

#include <pthread.h>

#include "base/mem.h"
#include "provider/enginelabs/visit.h"

struct survey {
    pthread_mutex_t lock; /* guards all below */
    bool was_asked;       /* at asked_ms, with whatever result */
    bool is_asking;
    bool is_limit_reached; /* said since then */
    int64_t asked_ms;
};

struct survey_port {
    struct survey *survey;
    struct survey_params params;
    struct visit *visit; /* running */
};

static void lock(struct survey *s)
{
    BUG_ON(pthread_mutex_lock(&s->lock));
}

static void unlock(struct survey *s)
{
    BUG_ON(pthread_mutex_unlock(&s->lock));
}

struct survey *survey_new(void)
{
    struct survey *s = mem_new(struct survey);

    BUG_ON(pthread_mutex_init(&s->lock, NULL));
    return s;
}

void survey_free(struct survey *s)
{
    if (!s)
        return;
    BUG_ON(s->is_asking);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

struct survey_port *survey_port_open(struct survey *s, const struct survey_params *params)
{
    struct survey_port *p = mem_new(struct survey_port);

    p->survey = s;
    p->params = *params;
    return p;
}

static void end_question(struct survey_port *p)
{
    p->visit = NULL;
    lock(p->survey);
    p->survey->is_asking = false;
    unlock(p->survey);
}

void survey_port_close(struct survey_port *p)
{
    visit_cancel(p->visit);
    if (p->visit)
        end_question(p);
    mem_free(p);
}

static void on_answer(void *arg, const struct errand_result *result)
{
    struct survey_port *p = arg;
    struct plan plan;

    end_question(p);
    if (!result->failure && plan_read(result->body, &plan) == ERR_NONE)
        p->params.told(p->params.arg, &plan);
}

/* Under the lock. */
static bool is_due(const struct survey *s, int64_t now_ms)
{
    int64_t pause_ms = s->is_limit_reached ? SURVEY_AFTER_LIMIT_MS : SURVEY_MS;

    return !s->is_asking && (!s->was_asked || now_ms - s->asked_ms >= pause_ms);
}

static bool begin_question(struct survey *s, int64_t now_ms)
{
    bool begins;

    lock(s);
    begins = is_due(s, now_ms);
    if (begins) {
        s->is_asking = s->was_asked = true;
        s->is_limit_reached = false;
        s->asked_ms = now_ms;
    }
    unlock(s);
    return begins;
}

void survey_poll(struct survey_port *p)
{
    const struct survey_params *params = &p->params;
    const struct visit_params visit = { .config = params->config,
                                        .account = params->account,
                                        .client = params->client,
                                        .method = HTTP_GET,
                                        .target = STR(API_BILLING_TARGET),
                                        .what = "GET " API_BILLING_TARGET,
                                        .connect_timeout_ms = params->connect_timeout_ms,
                                        .answer_timeout_ms = params->answer_timeout_ms };

    if (begin_question(p->survey, loop_now_ms(http_client_loop(params->client))))
        p->visit = visit_start(&visit, on_answer, p);
}

void survey_limit_reached(struct survey_port *p)
{
    lock(p->survey);
    p->survey->is_limit_reached = true;
    unlock(p->survey);
    survey_poll(p);
}
