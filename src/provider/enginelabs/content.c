/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deltas or snapshots: see content.h for the rules. Pieces compare as the UTF-16 they were cut
 * from: a piece that ends with half a pair is the beginning of one that has all of it.
 */
#include "provider/enginelabs/content.h"

#include "base/encoding.h"

/* ---- the way out ---- */

static void emit(struct joiner *j, struct str text)
{
    if (!text.n)
        return;
    j->emitted = true;
    j->emit(j->arg, text);
}

static void emit_lost(struct joiner *j)
{
    j->lost++;
    emit(j, STR("\xef\xbf\xbd"));
}

static void emit_pair(struct joiner *j, uint32_t high, uint32_t low)
{
    char utf8[4];
    size_t n = utf8_put(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), utf8);

    emit(j, (struct str){ utf8, n });
}

void joiner_add(struct joiner *j, const struct piece *p)
{
    if (!p->head && !p->text.n && !p->tail)
        return;
    if (j->pending && p->head)
        emit_pair(j, j->pending, p->head);
    else if (j->pending || p->head)
        emit_lost(j);
    emit(j, p->text);
    j->lost += p->lost;
    j->pending = p->tail;
}

void joiner_end(struct joiner *j)
{
    if (j->pending)
        emit_lost(j);
    j->pending = 0;
}

/* ---- what is kept ---- */

void content_init(struct content *c, enum enginelabs_content mode, size_t max_bytes)
{
    *c = (struct content){ .mode = mode };
    for (size_t i = 0; i < CONTENT_KEPT; i++)
        buf_init(&c->kept[i].text, max_bytes);
}

static void forget(struct content *c)
{
    for (size_t i = 0; i < CONTENT_KEPT; i++)
        buf_deinit(&c->kept[i].text);
    c->n = 0;
}

void content_deinit(struct content *c)
{
    forget(c);
}

static enum err keep(struct content *c, const struct piece *p)
{
    struct kept *k = &c->kept[c->n];
    enum err err = buf_add(&k->text, p->text);

    if (err)
        return err;
    k->head = p->head;
    k->tail = p->tail;
    k->lost = p->lost;
    c->n++;
    return ERR_NONE;
}

static struct piece kept_piece(const struct content *c, size_t i)
{
    const struct kept *k = &c->kept[i];

    return (struct piece){ buf_str(&k->text), k->head, k->tail, k->lost };
}

/* ---- the two hypotheses ---- */

static void settle_delta(struct content *c, struct joiner *out)
{
    for (size_t i = 1; i < c->n; i++) {
        const struct piece p = kept_piece(c, i);

        joiner_add(out, &p);
    }
    c->mode = CONTENT_DELTA;
    forget(c);
}

/* A snapshot repeats a half that was cut before, so what waits in the joiner is replaced. */
static void send_rest(struct content *c, const struct piece *p, struct joiner *out)
{
    const struct piece rest = { str_from(p->text, c->sent), 0, p->tail, p->lost - c->lost };

    out->pending = 0;
    joiner_add(out, &rest);
    c->sent = p->text.n;
    c->lost = p->lost;
}

/* Whether a half that was cut off is the beginning of what the text goes on with. One that the
 * upstream never completed is U+FFFD by now. */
static bool begins_with_half(struct str text, uint32_t high)
{
    const unsigned char *p = (const unsigned char *)text.p;
    uint32_t bits;

    if (str_starts(text, STR("\xef\xbf\xbd")))
        return true;
    if (utf8_sequence(text) != 4)
        return false;
    bits = (p[0] & 7u) << 8 | (p[1] & 0x3fu) << 2 | (p[2] & 0x30u) >> 4;
    return 0xd800 + bits - 0x40 == high;
}

/* Whether `p` is `start` and nothing, or more, behind it. */
static bool begins_with(const struct piece *p, const struct piece *start)
{
    struct str more;

    if (p->head != start->head || !str_starts(p->text, start->text))
        return false;
    more = str_from(p->text, start->text.n);
    if (!start->tail)
        return true;
    return more.n > 0 ? begins_with_half(more, start->tail) : p->tail == start->tail;
}

static bool is_same(const struct piece *a, const struct piece *b)
{
    return a->head == b->head && a->tail == b->tail && str_eq(a->text, b->text);
}

static bool extends(const struct piece *p, const struct piece *last)
{
    return begins_with(p, last) && !is_same(p, last);
}

/* What the next snapshot must begin with: the last piece kept. */
static void keep_last_only(struct content *c)
{
    struct kept last = c->kept[c->n - 1];

    c->kept[c->n - 1] = c->kept[0];
    c->kept[0] = last;
    for (size_t i = 1; i < CONTENT_KEPT; i++)
        buf_deinit(&c->kept[i].text);
    c->n = 1;
}

/* `p` begins with the piece kept: only what is new is copied. */
static enum err grow_kept(struct content *c, const struct piece *p)
{
    struct kept *k = &c->kept[0];

    k->tail = p->tail;
    return buf_add(&k->text, str_from(p->text, k->text.n));
}

static enum err settle_snapshot(struct content *c, const struct piece *p, struct joiner *out)
{
    enum err err;

    keep_last_only(c);
    err = grow_kept(c, p);
    if (err)
        return err;
    c->mode = CONTENT_SNAPSHOT;
    send_rest(c, p, out);
    return ERR_NONE;
}

static enum err feed_first(struct content *c, const struct piece *p, struct joiner *out)
{
    enum err err = keep(c, p);

    if (err)
        return err;
    joiner_add(out, p);
    c->sent = p->text.n;
    c->lost = p->lost;
    return ERR_NONE;
}

static enum err feed_undecided(struct content *c, const struct piece *p, struct joiner *out)
{
    const struct piece last = kept_piece(c, c->n - 1);

    if (!extends(p, &last) || (last.tail && p->head)) {
        settle_delta(c, out);
        joiner_add(out, p);
        return ERR_NONE;
    }
    /* A delta behind a cut pair would begin with its other half. */
    if (c->n == CONTENT_KEPT || last.text.n >= CONTENT_SURE_BYTES || last.tail)
        return settle_snapshot(c, p, out);
    return keep(c, p);
}

static enum err feed_snapshot(struct content *c, const struct piece *p, struct joiner *out)
{
    const struct piece last = kept_piece(c, 0);
    enum err err;

    /* The same again, or an older one that was late. */
    if (begins_with(&last, p))
        return ERR_NONE;
    if (!begins_with(p, &last))
        return ERR_PROTOCOL;
    err = grow_kept(c, p);
    if (!err)
        send_rest(c, p, out);
    return err;
}

enum err content_feed(struct content *c, const struct piece *p, struct joiner *out)
{
    if (!p->head && !p->text.n && !p->tail)
        return ERR_NONE;
    if (c->mode == CONTENT_DELTA) {
        joiner_add(out, p);
        return ERR_NONE;
    }
    if (c->n == 0)
        return feed_first(c, p, out);
    return c->mode == CONTENT_SNAPSHOT ? feed_snapshot(c, p, out) : feed_undecided(c, p, out);
}

void content_end(struct content *c, struct joiner *out)
{
    if (c->mode != CONTENT_AUTO || c->n < 2)
        return;
    const struct piece last = kept_piece(c, c->n - 1);
    if (c->kept[c->n - 2].text.n < CONTENT_END_BYTES) {
        settle_delta(c, out);
        return;
    }
    send_rest(c, &last, out);
    keep_last_only(c);
    c->mode = CONTENT_SNAPSHOT;
}
