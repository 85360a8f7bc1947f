/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the fields of the settings' table, each by its type. */
#include "gateway/settings_diff.h"

#include "gateway/settings_internal.h"

static bool z_eq(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool list_eq(const char *const *a, const char *const *b)
{
    size_t i = 0;

    if (!a || !b)
        return a == b;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    return !a[i] && !b[i];
}

/* Unset ones are equal, too. */
static bool same_secret(const struct secret *a, const struct secret *b)
{
    return secret_is_set(a) ? secret_eq(a, secret_reveal(b)) : !secret_is_set(b);
}

static bool proxy_eq(const struct proxy *a, const struct proxy *b)
{
    return a->type == b->type && endpoint_eq(&a->at, &b->at) && strcmp(a->user, b->user) == 0 &&
           same_secret(&a->password, &b->password);
}

static bool field_eq(enum setting_type type, const void *a, const void *b)
{
    switch (type) {
    case SETTING_TEXT:
    case SETTING_ORIGIN:
    case SETTING_CHOICE:
    case SETTING_STORE:
        return z_eq(*(const char *const *)a, *(const char *const *)b);
    case SETTING_LIST:
    case SETTING_ORIGINS:
        return list_eq(*(const char *const *const *)a, *(const char *const *const *)b);
    case SETTING_SECRET:
        return same_secret(a, b);
    case SETTING_SECONDS:
        return *(const int64_t *)a == *(const int64_t *)b;
    case SETTING_SIZE:
    case SETTING_COUNT:
        return *(const size_t *)a == *(const size_t *)b;
    case SETTING_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case SETTING_ENUM:
        return *(const unsigned *)a == *(const unsigned *)b;
    case SETTING_URL:
        return url_eq(a, b);
    case SETTING_LISTEN:
        return endpoint_eq(a, b);
    case SETTING_PROXY:
        return proxy_eq(a, b);
    }
    return false;
}

void settings_diff(const struct settings *a, const struct settings *b,
                   void (*each)(void *arg, const char *name, bool needs_restart), void *arg)
{
    for (const struct setting *row = settings_table; row->name; row++)
        if (!field_eq(row->type, (const char *)a + row->offset, (const char *)b + row->offset))
            each(arg, row->name, setting_needs_restart(row->name));
}
