/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation's own account first; else the least loaded; equals take turns. */
#include "provider/enginelabs/roster_internal.h"

bool seat_is_shared(const struct seat *s)
{
    return s->slots && s->limit > 0;
}

bool seat_has_room(const struct seat *s, int64_t now_ms)
{
    if (seat_is_shared(s) && !slots_may_have(s->slots, now_ms))
        return false;
    return s->limit == 0 || s->leases < s->limit;
}

/* Whether it may serve this; else *ret_why has the reason, and when it may again, if that is sooner
 * than what the reason there says. */
bool seat_may_serve(struct seat *s, const struct roster_wish *wish, int64_t now_ms,
                    struct notice *ret_why)
{
    struct notice why = { 0 };

    if (account_is_out(s->account, &why)) {
        if (ret_why->kind == FAILURE_NONE)
            *ret_why = why;
        return false;
    }
    if (cooldown_left(&s->rests, wish->model, now_ms, &why) == 0)
        return true;
    if (ret_why->retry_after_ms == 0 || why.retry_after_ms < ret_why->retry_after_ms)
        *ret_why = why;
    return false;
}

/* The part of its places that is taken; what has no limit comes behind all with room. */
static double load_of(const struct seat *s)
{
    return s->limit ? (double)s->leases / s->limit : 1 - 1 / (2.0 + s->leases);
}

enum choice roster_choose(struct roster *p, const struct roster_wish *wish, int64_t now_ms,
                          size_t *ret_account, struct notice *ret_why)
{
    enum choice choice = CHOICE_NONE;

    *ret_why = (struct notice){ 0 };
    for (size_t k = 0; k < p->n; k++) {
        size_t i = (p->turn + k) % p->n;
        struct seat *s = &p->seats[i];

        if ((wish->failed >> i & 1) || !seat_may_serve(s, wish, now_ms, ret_why))
            continue;
        if (!seat_has_room(s, now_ms)) {
            choice = choice == CHOICE_NONE ? CHOICE_BUSY : choice;
        } else if ((int)i == wish->own) {
            *ret_account = i;
            return CHOICE_FOUND;
        } else if (choice != CHOICE_FOUND || load_of(s) < load_of(&p->seats[*ret_account])) {
            *ret_account = i;
            choice = CHOICE_FOUND;
        }
    }
    return choice;
}
