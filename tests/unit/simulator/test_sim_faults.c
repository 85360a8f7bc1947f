/* SPDX-License-Identifier: Apache-2.0 */
/* Switches: how they are read, and when they are due. */
#include "simulator/faults.h"

#include "simulator/command.h"
#include "test.h"

static char what[SIM_WHAT_MAX];

static const struct sim_fault *take(struct sim_faults *f, enum sim_where where, const char *prompt)
{
    struct str text = str_of(prompt);
    struct sim_asker asker = { .prompt = text, .origin = sim_prompt_origin(text) };

    return sim_faults_take(f, where, &asker);
}

static void reads_json_and_lines_alike(void)
{
    static const char json[] = "[{\"where\":\"post\",\"kind\":\"status\",\"status\":429,"
                               "\"retry_after\":\"5\",\"times\":-1}]";
    struct sim_faults f;
    const struct sim_fault *a;
    const struct sim_fault *b;

    sim_faults_init(&f);
    EXPECT_INT(sim_faults_add_json(&f, str_of(json), what), ERR_NONE);
    a = take(&f, SIM_AT_POST, "x");
    EXPECT_INT(a->kind, SIM_STATUS);
    EXPECT_INT(a->status, 429);
    EXPECT_STR(a->retry_after, "5");
    EXPECT(!a->body.p);
    sim_faults_deinit(&f);

    EXPECT_INT(
        sim_faults_add_line(&f, STR("post 429 retry_after=5"), sim_prompt_origin(STR("x")), what),
        ERR_NONE);
    b = take(&f, SIM_AT_POST, "x");
    EXPECT_INT(b->kind, SIM_STATUS);
    EXPECT_INT(b->status, 429);
    EXPECT_STR(b->retry_after, "5");
    EXPECT_INT(b->times, -1);
    sim_faults_deinit(&f);
}

static void happens_after_some_and_so_many_times(void)
{
    struct sim_faults f;

    sim_faults_init(&f);
    EXPECT_INT(sim_faults_add_json(
                   &f, STR("{\"where\":\"token\",\"status\":503,\"after\":2,\"times\":2}"), what),
               ERR_NONE);
    EXPECT(!take(&f, SIM_AT_TOKEN, ""));
    EXPECT(!take(&f, SIM_AT_CLIENT, ""));
    EXPECT(!take(&f, SIM_AT_TOKEN, ""));
    EXPECT(take(&f, SIM_AT_TOKEN, ""));
    EXPECT(take(&f, SIM_AT_TOKEN, ""));
    EXPECT(!take(&f, SIM_AT_TOKEN, ""));
    sim_faults_deinit(&f);
}

static void a_prompts_faults_are_its_own(void)
{
    uint64_t mine = sim_prompt_origin(STR("mine"));
    struct sim_faults f;

    sim_faults_init(&f);
    EXPECT(!sim_faults_know(&f, mine));
    EXPECT_INT(sim_faults_add_line(&f, STR("post hang times=1"), mine, what), ERR_NONE);
    EXPECT_INT(sim_faults_add_line(&f, STR("token 500"), mine, what), ERR_NONE);
    EXPECT(!take(&f, SIM_AT_POST, "yours"));
    EXPECT(take(&f, SIM_AT_POST, "mine"));
    EXPECT(!take(&f, SIM_AT_POST, "mine"));
    EXPECT(sim_faults_know(&f, mine));
    EXPECT(take(&f, SIM_AT_TOKEN, ""));
    EXPECT(!take(&f, SIM_AT_TOKEN, ""));
    sim_faults_deinit(&f);
}

static void can_be_for_some_prompts_only(void)
{
    struct sim_faults f;

    sim_faults_init(&f);
    EXPECT_INT(sim_faults_add_json(
                   &f, STR("{\"where\":\"post\",\"kind\":\"lost\",\"prompt\":\"dog\"}"), what),
               ERR_NONE);
    EXPECT(!take(&f, SIM_AT_POST, "a cat"));
    EXPECT(take(&f, SIM_AT_POST, "a dog"));
    sim_faults_deinit(&f);
}

static void early_ones_are_asked_for_early(void)
{
    static const struct sim_asker early = { .is_early = true };
    struct sim_faults f;

    sim_faults_init(&f);
    EXPECT_INT(sim_faults_add_json(&f, STR("{\"where\":\"post\",\"kind\":\"reset_early\"}"), what),
               ERR_NONE);
    EXPECT(!take(&f, SIM_AT_POST, "x"));
    EXPECT(sim_faults_take(&f, SIM_AT_POST, &early));
    EXPECT_INT(sim_faults_add_line(&f, STR("post reset_early"), 1, what), ERR_BAD_INPUT);
    sim_faults_deinit(&f);
}

static void frames_take_all_that_are_due(void)
{
    static const struct sim_asker asker;
    const struct sim_fault *taken[4];
    struct sim_faults f;

    sim_faults_init(&f);
    EXPECT_INT(sim_faults_add_json(&f,
                                   STR("[{\"where\":\"frames\",\"kind\":\"unknown\"},"
                                       "{\"where\":\"post\",\"kind\":\"hang\"},"
                                       "{\"where\":\"frames\",\"kind\":\"reset\",\"at\":5}]"),
                                   what),
               ERR_NONE);
    EXPECT_INT(sim_faults_take_all(&f, SIM_AT_FRAMES, &asker, taken, 4), 2);
    EXPECT_INT(taken[0]->kind, SIM_UNKNOWN);
    EXPECT_INT(taken[1]->kind, SIM_RESET);
    EXPECT_INT(taken[1]->at, 5);
    sim_faults_deinit(&f);
}

static void refuses_what_makes_no_sense(void)
{
    static const struct {
        const char *json;
        const char *want;
    } rows[] = {
        { "{\"kind\":\"hang\"}", "a fault needs \"where\"" },
        { "{\"where\":\"post\"}", "a fault at post needs \"kind\" or \"status\"" },
        { "{\"where\":\"moon\",\"kind\":\"hang\"}", NULL },
        { "{\"where\":\"post\",\"kind\":\"boredom\"}", "there is no fault \"boredom\"" },
        { "{\"where\":\"post\",\"kind\":\"masked\"}", "\"masked\" cannot happen at post" },
        { "{\"where\":\"post\",\"kind\":\"hang\",\"colour\":1}",
          "a fault has no member \"colour\"" },
        { "[{\"where\":\"post\",\"kind\":\"hang\"},7]", "a fault is an object" },
        { "{\"where\":\"post\",\"kind\":\"hang\"", "malformed JSON at byte 29" },
        { "{\"where\":\"post\",\"kind\":\"hang\"} x", NULL },
        { "{\"where\":\"post\",\"status\":99}", "status takes 100 to 599, not 99" },
    };
    struct sim_faults f;

    sim_faults_init(&f);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EXPECT_INT(sim_faults_add_json(&f, str_of(rows[i].json), what), ERR_BAD_INPUT);
        if (rows[i].want)
            EXPECT_Z(what, rows[i].want);
        EXPECT_INT(f.n, 0);
    }
    sim_faults_deinit(&f);
}

static void spent_ones_make_room(void)
{
    struct sim_faults f;

    sim_faults_init(&f);
    for (int i = 0; i < 3 * SIM_FAULTS_MAX; i++) {
        EXPECT_INT(sim_faults_add_json(&f, STR("{\"where\":\"ws\",\"kind\":\"hang\"}"), what),
                   ERR_NONE);
        EXPECT(take(&f, SIM_AT_WS, ""));
    }
    for (int i = 0; i < SIM_FAULTS_MAX; i++)
        EXPECT_INT(sim_faults_add_json(&f, STR("{\"where\":\"ws\",\"kind\":\"hang\"}"), what),
                   ERR_NONE);
    EXPECT_INT(sim_faults_add_json(&f, STR("{\"where\":\"ws\",\"kind\":\"hang\"}"), what),
               ERR_BAD_INPUT);
    EXPECT_INT(f.n, SIM_FAULTS_MAX);
    sim_faults_deinit(&f);
}

static void prompts_without_end_push_out_the_oldest(void)
{
    struct sim_faults f;

    sim_faults_init(&f);
    EXPECT_INT(sim_faults_add_json(&f, STR("{\"where\":\"ws\",\"kind\":\"hang\"}"), what),
               ERR_NONE);
    for (uint64_t origin = 1; origin <= 2 * SIM_FAULTS_MAX; origin++)
        EXPECT_INT(sim_faults_add_line(&f, STR("post 429"), origin, what), ERR_NONE);
    EXPECT_INT(f.n, SIM_FAULTS_MAX);
    EXPECT(!sim_faults_know(&f, SIM_FAULTS_MAX + 1));
    EXPECT(sim_faults_know(&f, SIM_FAULTS_MAX + 2));
    EXPECT(sim_faults_know(&f, 2 * SIM_FAULTS_MAX));
    EXPECT_INT(take(&f, SIM_AT_WS, "")->kind, SIM_HANG);
    sim_faults_deinit(&f);
}

static void what_it_writes_it_reads(void)
{
    struct sim_faults f;
    struct sim_faults again;
    struct json_writer w;
    struct buf text;

    sim_faults_init(&f);
    sim_faults_init(&again);
    buf_init(&text, 65536);
    EXPECT_INT(sim_faults_add_line(&f, STR("frames close code=1013 at=3"), 0, what), ERR_NONE);
    EXPECT_INT(sim_faults_add_line(&f, STR("ws delay delay_ms=7"), 0, what), ERR_NONE);
    json_w_init(&w, &text);
    sim_faults_write(&f, &w);
    EXPECT_INT(json_w_end(&w), ERR_NONE);
    EXPECT_INT(sim_faults_add_json(&again, buf_str(&text), what), ERR_NONE);
    EXPECT_INT(again.n, 2);
    EXPECT_INT(take(&again, SIM_AT_FRAMES, "")->code, 1013);
    EXPECT_INT(take(&again, SIM_AT_WS, "")->delay_ms, 7);
    buf_deinit(&text);
    sim_faults_deinit(&again);
    sim_faults_deinit(&f);
}

static bool page_names(struct str page, const char *name)
{
    char quoted[64];

    (void)snprintf(quoted, sizeof(quoted), "`%s`", name);
    return str_find(page, str_of(quoted)) != SIZE_MAX;
}

static void the_page_names_every_fault_and_setting(void)
{
    FILE *f = fopen("docs/internals/simulator.md", "re");
    struct buf page;
    char *room;

    EXPECT(f);
    buf_init(&page, 1 << 20);
    EXPECT_INT(buf_reserve(&page, 100000, &room), ERR_NONE);
    buf_commit(&page, fread(room, 1, 100000, f));
    fclose(f);
    for (int i = 0; i < SIM_KIND_COUNT; i++)
        if (!page_names(buf_str(&page), sim_fault_name((enum sim_kind)i)))
            EXPECT_Z("missing in docs/internals/simulator.md", sim_fault_name((enum sim_kind)i));
    for (size_t i = 0; i < sim_setting_options.n; i++)
        if (!page_names(buf_str(&page), sim_setting_options.table[i].name))
            EXPECT_Z("missing in docs/internals/simulator.md", sim_setting_options.table[i].name);
    buf_deinit(&page);
}

static const struct test suite[] = {
    { "reads JSON and lines alike", reads_json_and_lines_alike },
    { "happens after some and so many times", happens_after_some_and_so_many_times },
    { "a prompt's faults are its own", a_prompts_faults_are_its_own },
    { "can be for some prompts only", can_be_for_some_prompts_only },
    { "early ones are asked for early", early_ones_are_asked_for_early },
    { "frames take all that are due", frames_take_all_that_are_due },
    { "refuses what makes no sense", refuses_what_makes_no_sense },
    { "spent ones make room", spent_ones_make_room },
    { "prompts without end push out the oldest", prompts_without_end_push_out_the_oldest },
    { "what it writes it reads", what_it_writes_it_reads },
    { "the page names every fault and setting", the_page_names_every_fault_and_setting },
};

TEST_MAIN(suite)
