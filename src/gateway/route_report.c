/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/route_report.h"

#include <stdio.h>

enum { CHANGE_MAX = 320, QUOTE_MAX = 60 };

/* The beginning of what may be long, in whole characters. */
static struct str beginning(struct str s)
{
    size_t n = s.n < QUOTE_MAX ? s.n : QUOTE_MAX;

    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return str_sub(s, 0, n);
}

/* On one line. */
static void write_change(struct json_writer *j, const char *what, struct str name,
                         const char *between, struct str value)
{
    char text[CHANGE_MAX];

    snprintf(text, sizeof(text), "%s%.*s%s%.*s%s", what, STR_ARGS(beginning(name)), between,
             STR_ARGS(beginning(value)), value.n > QUOTE_MAX ? "..." : "");
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20)
            *c = ' ';
    json_w_str(j, str_of(text));
}

/* In the order in which they are made. */
static void write_changes(struct json_writer *j, const struct target_settings *t)
{
    json_w_key(j, "changes");
    json_w_array(j);
    for (size_t i = 0; t->drop && t->drop[i]; i++)
        write_change(j, "drop ", str_of(t->drop[i]), "", STR(""));
    for (size_t i = 0; i < t->n_rename; i++)
        write_change(j, "rename ", str_of(t->rename[i].from), " to ", str_of(t->rename[i].to));
    for (size_t i = 0; i < t->n_set; i++)
        write_change(j, "set ", str_of(t->set[i].name), ": ", t->set[i].json);
    if (t->system_prompt)
        write_change(j, "system_prompt", STR(""), ": ", str_of(t->system_prompt));
    json_w_array_end(j);
}

static void write_target(struct json_writer *j, const struct settings *s,
                         const struct route_settings *route, const struct target_settings *target,
                         struct str problem)
{
    json_w_object(j);
    json_w_member_str(j, "upstream", str_of(s->upstreams[target->upstream].name));
    json_w_member_str(j, "model", str_of(target->model));
    if (route->strategy == ROUTE_WEIGHTED)
        json_w_member_int(j, "weight", target->weight);
    write_changes(j, target);
    json_w_member_str(j, "problem", problem);
    json_w_object_end(j);
}

static void write_route(struct json_writer *j, const struct settings *s,
                        const struct route_settings *route, route_problem *problem, void *arg)
{
    json_w_object(j);
    json_w_member_str(j, "name", str_of(route->name));
    json_w_member_str(j, "strategy",
                      route->strategy == ROUTE_WEIGHTED ? STR("weighted") : STR("fallback"));
    json_w_key(j, "aliases");
    json_w_array(j);
    for (size_t i = 0; route->aliases && route->aliases[i]; i++)
        json_w_str(j, str_of(route->aliases[i]));
    json_w_array_end(j);
    json_w_key(j, "targets");
    json_w_array(j);
    for (size_t i = 0; i < route->n_targets; i++)
        write_target(j, s, route, &route->targets[i],
                     problem ? problem(arg, &route->targets[i]) : STR(""));
    json_w_array_end(j);
    json_w_object_end(j);
}

void route_report_write(struct json_writer *j, const struct settings *s, route_problem *problem,
                        void *arg)
{
    json_w_key(j, "routes");
    json_w_array(j);
    for (size_t i = 0; i < s->n_routes; i++)
        write_route(j, s, &s->routes[i], problem, arg);
    json_w_array_end(j);
}
