/* SPDX-License-Identifier: Apache-2.0 */
/* What is said again is compared by digest; see resume.h. */
#include "provider/enginelabs/resume.h"

static bool is_told(const struct resume_told *s)
{
    return s->at == s->n;
}

void resume_init(struct resume *r, size_t max, resume_emit *emit, void *arg)
{
    *r = (struct resume){ .emit = emit, .arg = arg };
    for (size_t i = 0; i < RESUME_SIDES; i++) {
        r->sides[i].is_proven = true;
        sha256_init(&r->sides[i].sent);
        buf_init(&r->sides[i].held, max);
    }
}

void resume_deinit(struct resume *r)
{
    for (size_t i = 0; i < RESUME_SIDES; i++)
        buf_deinit(&r->sides[i].held);
}

static void begin_again(struct resume_told *s)
{
    sha256_init(&s->again);
    s->at = s->met = 0;
}

void resume_again(struct resume *r)
{
    uint64_t n = r->sides[RESUME_TEXT].n + r->sides[RESUME_REASONING].n;

    r->is_second = r->is_again && n > 0 && resume_is_caught_up(r);
    r->is_again = true;
    r->of_history = false;
    for (size_t i = 0; i < RESUME_SIDES; i++) {
        begin_again(&r->sides[i]);
        r->sides[i].is_proven = false;
    }
}

void resume_rewind(struct resume *r, enum resume_side side)
{
    begin_again(&r->sides[side]);
    r->sides[side].is_proven = !r->is_again;
    r->of_history = false;
}

bool resume_is_caught_up(const struct resume *r)
{
    return is_told(&r->sides[RESUME_TEXT]) && is_told(&r->sides[RESUME_REASONING]);
}

bool resume_is_whole(const struct resume *r)
{
    for (size_t i = 0; i < RESUME_SIDES; i++)
        if (!is_told(&r->sides[i]) || (r->sides[i].n > 0 && !r->sides[i].is_proven))
            return false;
    return true;
}

/* Before, what is held may be what another stream left, and what comes may yet be the proof. */
bool resume_must_look(const struct resume *r)
{
    return resume_is_caught_up(r) &&
           r->sides[RESUME_TEXT].held.n + r->sides[RESUME_REASONING].held.n >= RESUME_PROOF_BYTES;
}

/* What was held goes on when it is proven, and all before it has come again. */
static void let_go(struct resume *r)
{
    for (size_t i = 0; i < RESUME_SIDES; i++) {
        struct resume_told *s = &r->sides[i];

        if (!s->is_proven || !is_told(s) || s->held.n == 0)
            continue;
        r->emit(r->arg, (enum resume_side)i, buf_str(&s->held));
        buf_clear(&s->held);
    }
}

/* A history tells nothing of what updates would tell. */
static bool is_proven(const struct resume *r)
{
    uint64_t met = r->sides[RESUME_REASONING].met;

    if (!r->of_history)
        met += r->sides[RESUME_TEXT].met;
    return met >= RESUME_PROOF_BYTES || (r->is_second && !r->of_history && resume_is_caught_up(r));
}

static void look_for_proof(struct resume *r)
{
    bool is_all = is_proven(r);
    bool is_some = r->is_second && resume_is_caught_up(r);

    for (size_t i = 0; i < RESUME_SIDES; i++)
        r->sides[i].is_proven |= is_all || (is_some && r->sides[i].n > 0);
    let_go(r);
}

void resume_by_history(struct resume *r)
{
    r->of_history = true;
    r->sides[RESUME_TEXT].is_proven = true;
    let_go(r);
}

/* Copies: a digest that goes on is not to be ended. */
static bool is_same(struct sha256 a, struct sha256 b)
{
    unsigned char one[SHA256_LEN], other[SHA256_LEN];

    sha256_end(&a, one);
    sha256_end(&b, other);
    return memcmp(one, other, SHA256_LEN) == 0;
}

/* Of `text` what was said before; *ret is the rest. */
static enum err compare(struct resume *r, struct resume_told *s, struct str text, struct str *ret)
{
    struct str old = str_sub(text, 0, s->n - s->at < text.n ? (size_t)(s->n - s->at) : text.n);

    *ret = str_from(text, old.n);
    if (old.n == 0)
        return ERR_NONE;
    sha256_add(&s->again, old);
    s->at += old.n;
    if (!is_told(s))
        return ERR_NONE;
    if (!is_same(s->again, s->sent))
        return ERR_PROTOCOL;
    s->met = s->n;
    look_for_proof(r);
    return ERR_NONE;
}

static enum err go_on(struct resume *r, enum resume_side side, struct str text)
{
    struct resume_told *s = &r->sides[side];

    sha256_add(&s->sent, text);
    s->n += text.n;
    s->at = s->n;
    if (!s->is_proven)
        return buf_add(&s->held, text);
    r->emit(r->arg, side, text);
    return ERR_NONE;
}

enum err resume_take(struct resume *r, enum resume_side side, struct str text)
{
    if (!r->failed)
        r->failed = compare(r, &r->sides[side], text, &text);
    if (!r->failed && text.n > 0)
        r->failed = go_on(r, side, text);
    return r->failed;
}
