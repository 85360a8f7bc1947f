/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line of those that wait for an account. A guest is called by whoever frees a place for it, on
 * any thread, and comes to its own loop by mail.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "provider/enginelabs/roster_internal.h"

enum {
    TICK_MS = 500,        /* how soon the line notices that an account is up again, or none is */
    SHARED_TICK_MS = 100, /* ... or that other gateways have all of one account */
};

/* Under no lock but those of rosters that it inherits from. */
static void count_in_heir(struct seat *heir)
{
    while (heir) {
        struct seat *s = heir;

        roster_lock(s->roster);
        s->leases++;
        heir = s->heir; /* under the lock: an heir that comes later has this one counted */
        roster_unlock(s->roster);
    }
}

static void take(struct roster *p, size_t account)
{
    p->seats[account].leases++;
    count_in_heir(p->seats[account].heir);
    p->turn = account + 1;
    metric_add(METRIC_LEASES, 1);
}

static void call_out(struct roster *p, struct roster_guest *g, const struct notice *notice)
{
    list_remove(&g->node);
    p->n_line--;
    metric_add(METRIC_WAITING, -1);
    BUG_ON(!wait_call_first(&g->queue, notice));
}

static bool is_full(const struct roster *p, int64_t now_ms)
{
    for (size_t i = 0; i < p->n; i++)
        if (seat_has_room(&p->seats[i], now_ms))
            return false;
    return true;
}

enum reach { UNTIL_FULL, ALL };

/* Calls those who can be served now, the longest waiting first, and, when all are looked at, those
 * who no longer can. */
static void serve(struct roster *p, enum reach reach, int64_t now_ms)
{
    struct list *next;

    for (struct list *node = p->line.next; node != &p->line; node = next) {
        struct roster_guest *g = CONTAINER_OF(node, struct roster_guest, node);
        enum choice choice;
        struct notice why;

        if (reach == UNTIL_FULL && is_full(p, now_ms))
            break;
        next = node->next;
        choice = roster_choose(p, &g->wish, now_ms, &g->account, &why);
        if (choice == CHOICE_BUSY ||
            (choice == CHOICE_FOUND && seat_is_shared(&p->seats[g->account])))
            continue; /* of a shared one a slot is needed first */
        g->is_leased = choice == CHOICE_FOUND;
        if (g->is_leased)
            take(p, g->account);
        call_out(p, g, g->is_leased ? NULL : &why);
    }
}

/* The first of the line whom this account could serve. */
static struct roster_guest *guest_for(struct seat *s, int64_t now_ms)
{
    size_t account = (size_t)(s - s->roster->seats);
    struct notice why;

    LIST_EACH (node, &s->roster->line) {
        struct roster_guest *g = CONTAINER_OF(node, struct roster_guest, node);

        if (!(g->wish.failed >> account & 1) && seat_may_serve(s, &g->wish, now_ms, &why))
            return g;
    }
    return NULL;
}

static bool is_wanted(void *arg, int64_t now_ms)
{
    struct seat *s = arg;

    return s->leases < s->limit && guest_for(s, now_ms);
}

static bool give(void *arg, int64_t now_ms)
{
    struct seat *s = arg;
    struct roster_guest *g = s->leases < s->limit ? guest_for(s, now_ms) : NULL;

    if (!g)
        return false;
    g->account = (size_t)(s - s->roster->seats);
    g->is_leased = true;
    take(s->roster, g->account);
    call_out(s->roster, g, NULL);
    return true;
}

/* Asks the store for slots of the accounts that those in the line would get. */
static void ask_slots(struct roster_port *port)
{
    struct roster *p = port->roster;
    uint64_t asked = 0;
    struct notice why;
    size_t account;

    if (!port->is_shared)
        return;
    roster_lock(p);
    LIST_EACH (node, &p->line) {
        struct roster_guest *g = CONTAINER_OF(node, struct roster_guest, node);

        if (roster_choose(p, &g->wish, loop_now_ms(port->loop), &account, &why) == CHOICE_FOUND)
            asked |= UINT64_C(1) << account;
    }
    roster_unlock(p);
    for (size_t i = 0; i < p->n; i++)
        if (asked >> i & 1)
            slots_ask(port->seats[i].slots);
}

const struct slots_owner roster_slots_owner = { is_wanted, give };

/* The slot goes to the next in the line, or back to all gateways: then its number, else SIZE_MAX.
 */
static size_t pass_slot(struct seat *s, int64_t now_ms)
{
    if (slots_may_stay(s->slots) && give(s, now_ms))
        return SIZE_MAX;
    return slots_take_out(s->slots, now_ms);
}

void roster_serve_line(struct roster *p, int64_t now_ms)
{
    serve(p, ALL, now_ms);
}

/* What was given back to a roster that another stands for now: that one has a place more, too. */
static void hand_down(struct seat *heir, int64_t now_ms)
{
    while (heir) {
        struct seat *s = heir;

        roster_lock(s->roster);
        BUG_ON(s->leases == 0);
        s->leases--;
        serve(s->roster, UNTIL_FULL, now_ms);
        heir = s->heir;
        roster_unlock(s->roster);
    }
}

static void give_back(struct roster_port *port, size_t account, bool is_draining)
{
    struct roster *p = port->roster;
    struct seat *s = &p->seats[account];
    int64_t now_ms = loop_now_ms(port->loop);
    struct seat *heir;
    size_t slot = SIZE_MAX;

    roster_lock(p);
    BUG_ON(s->leases == 0);
    s->leases--;
    metric_add(is_draining ? METRIC_LEASES_DRAINING : METRIC_LEASES, -1);
    if (s->slots && slots_used(s->slots) > 0)
        slot = pass_slot(s, now_ms);
    serve(p, UNTIL_FULL, now_ms);
    heir = s->heir;
    roster_unlock(p);
    hand_down(heir, now_ms);
    if (slot != SIZE_MAX)
        slots_give_back(port->seats[account].slots, slot);
    ask_slots(port);
}

/* ---- leases ---- */

static void arm_tick(struct roster_port *port);

static void on_tick(void *arg)
{
    struct roster_port *port = arg;

    roster_lock(port->roster);
    roster_serve_line(port->roster, loop_now_ms(port->loop));
    roster_unlock(port->roster);
    ask_slots(port);
    arm_tick(port);
}

static void arm_tick(struct roster_port *port)
{
    if (port->n_guests > 0 && !timer_is_armed(&port->tick))
        timer_arm(port->loop, &port->tick, port->is_shared ? SHARED_TICK_MS : TICK_MS, on_tick,
                  port);
}

static void leave_line(struct roster_place *place)
{
    place->port->n_guests--;
    mem_free(place->guest);
    place->guest = NULL;
}

static void on_called(void *arg, const struct notice *notice)
{
    struct roster_place *place = arg;

    place->is_leased = place->guest->is_leased;
    place->account = place->guest->account;
    leave_line(place);
    if (place->is_leased && place->port->is_shared)
        slots_ask(place->port->seats[place->account].slots); /* renews it from now on */
    place->wake(place->arg, notice);
}

/* Under the lock. */
static void stand_in_line(struct roster_port *port, const struct roster_wish *wish,
                          struct roster_place *place)
{
    struct roster_guest *g = mem_new(struct roster_guest);

    g->wish = *wish;
    list_init(&g->queue);
    if (wish->is_again)
        list_add_head(&port->roster->line, &g->node);
    else
        list_add_tail(&port->roster->line, &g->node);
    port->roster->n_line++;
    port->n_guests++;
    place->guest = g;
    metric_add(METRIC_WAITING, 1);
    wait_begin(&place->wait, &g->queue, port->loop, on_called, place);
}

static void line_is_full(struct notice *ret)
{
    *ret = (struct notice){ .kind = FAILURE_QUEUE_TIMEOUT, .retry_after_ms = 1000 };
    snprintf(ret->message, sizeof(ret->message),
             "All accounts are busy and %d requests wait already. Try again later, or add an "
             "account.",
             ROSTER_LINE_MAX);
}

enum roster_answer roster_lease(struct roster_port *port, const struct roster_wish *wish,
                                struct roster_place *place, on_wake *wake, void *arg,
                                struct notice *ret_notice)
{
    struct roster *p = port->roster;
    enum roster_answer answer = ROSTER_REFUSED;
    enum choice choice;

    *place = (struct roster_place){ .port = port, .wake = wake, .arg = arg };
    roster_lock(p);
    choice = roster_choose(p, wish, loop_now_ms(port->loop), &place->account, ret_notice);
    if (choice == CHOICE_FOUND && !seat_is_shared(&p->seats[place->account])) {
        take(p, place->account);
        place->is_leased = true;
        answer = ROSTER_LEASED;
    } else if (choice != CHOICE_NONE && p->n_line < ROSTER_LINE_MAX) {
        stand_in_line(port, wish, place);
        answer = ROSTER_WAITS;
    } else if (choice != CHOICE_NONE) {
        line_is_full(ret_notice);
    }
    roster_unlock(p);
    if (answer == ROSTER_WAITS)
        ask_slots(port);
    arm_tick(port);
    return answer;
}

void roster_leave(struct roster_port *port, struct roster_place *place)
{
    struct roster *p = port->roster;
    struct roster_guest *g = place->guest;
    bool is_leased = place->is_leased;
    size_t account = place->account;

    if (g) {
        roster_lock(p);
        if (!wait_leave(&place->wait)) {
            list_remove(&g->node);
            p->n_line--;
            metric_add(METRIC_WAITING, -1);
        }
        is_leased = g->is_leased;
        account = g->account;
        roster_unlock(p);
        leave_line(place);
    }
    if (is_leased)
        give_back(port, account, place->is_draining);
    *place = (struct roster_place){ 0 };
}

void roster_drain(struct roster_place *place)
{
    BUG_ON(!place->is_leased || place->is_draining);
    place->is_draining = true;
    metric_add(METRIC_LEASES, -1);
    metric_add(METRIC_LEASES_DRAINING, 1);
}
