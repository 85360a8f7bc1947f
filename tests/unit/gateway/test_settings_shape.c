/* SPDX-License-Identifier: Apache-2.0 */
/* How answers are shaped: for the whole gateway, and for a target that says otherwise. */
#include "settings_test.h"

static void a_target_is_shaped_as_the_gateway_unless_it_says_otherwise(void)
{
    static const char text[] = "hold_until_valid: no\nthink_tags: yes\n"
                               "upstreams: [{name: a, provider: openai, base_url: http://h}]\n"
                               "models:\n"
                               "  - name: m\n"
                               "    targets:\n"
                               "      - {upstream: a, model: x}\n"
                               "      - {upstream: a, model: y, emulate_tools: false, "
                               "hold_until_valid: true, split_think: true, think_tags: false}\n";
    struct settings s;
    const struct shape_settings *one, *other;

    EXPECT_INT(load_yaml(text, &s), ERR_NONE);
    one = &s.routes[0].targets[0].shape;
    other = &s.routes[0].targets[1].shape;
    EXPECT(one->emulate_tools && !one->hold_until_valid && !one->split_think && one->think_tags);
    EXPECT(!other->emulate_tools && other->hold_until_valid && other->split_think &&
           !other->think_tags);
    settings_deinit(&s);
}

static void what_is_left_out_is_emulated_and_held(void)
{
    struct settings s;

    EXPECT_INT(load_yaml("log_level: info\n", &s), ERR_NONE);
    EXPECT(s.shape.emulate_tools && s.shape.hold_until_valid);
    EXPECT(!s.shape.split_think && !s.shape.think_tags);
    EXPECT_INT(s.max_choices, 4);
    settings_deinit(&s);
}

static const struct test suite[] = {
    { "a target is shaped as the gateway unless it says otherwise",
      a_target_is_shaped_as_the_gateway_unless_it_says_otherwise },
    { "what is left out is emulated and held", what_is_left_out_is_emulated_and_held },
};

TEST_MAIN(suite)
