/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations as commands. An entry is the string "PREFIX:SPACE:KEY" with an expiry, a tip of a
 * server without an append-only file "PREFIX:tip@RUN:KEY"; a space that can be listed has an index
 * "PREFIX:SPACE#index", a sorted set of its keys; a log is the stream "PREFIX:SPACE#log". What
 * takes more than one step is a script, so that nobody comes between.
 */
#include <stdio.h>

#include <hiredis/hiredis.h>

#include "base/mem.h"
#include "store/redis_internal.h"

/* Longer is for ever; the sum with the server's clock stays exact in a script's numbers. */
#define TTL_MAX_MS 1000000000000000LL

/* A script's numbers are exact up to 2^53 only: sums are calculated as two halves. */
enum { HALF = 1000000000, COUNTER_WORDS = 5 };

/* ---- scripts ---- */

/* KEYS: entry, index. ARGV: key, value, ttl or nothing. */
static const char script_put[] =
    "redis.call('SET', KEYS[1], ARGV[2], unpack(ARGV[3] and {'PX', ARGV[3]} or {}))\n"
    "redis.call('ZADD', KEYS[2], 0, ARGV[1])\n"
    "return 1\n";

/* A space with large values has its entries in sorted sets by their end, one of all and one of each
 * owner: as size (10 digits) and key. The bytes of a set are the score of its member '', below 0,
 * so that a set that is lost takes its sum with it. KEYS: entry, set of all, of the owner. ARGV:
 * key. */
#define SCRIPT_SHARE                                                                         \
    "local function name(key, size) return string.format('%010d', size + #key) .. key end\n" \
    "local function leave(set, member)\n"                                                    \
    "  if redis.call('ZREM', set, member) == 0 then return end\n"                            \
    "  redis.call('ZINCRBY', set, tonumber(member:sub(1, 10)), '')\n"                        \
    "  if redis.call('ZCARD', set) == 1 then redis.call('DEL', set) end\n"                   \
    "end\n"                                                                                  \
    "local function forget(member)\n"                                                        \
    "  leave(KEYS[2], member)\n"                                                             \
    "  leave(KEYS[2] .. ':' .. member:sub(11, 14), member)\n"                                \
    "end\n"

/* ARGV: key, value, room of the owner and of all, ttl or nothing; a ttl of 0 deletes. An entry
 * whose end has come is gone by itself. Returns 0 when too much is to go. */
static const char script_keep[] = SCRIPT_SHARE
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
    "local prefix = KEYS[1]:sub(1, -1 - #ARGV[1])\n"
    "local function drop_first(set, last)\n"
    "  local first = redis.call('ZRANGE', set, 1, 1, 'WITHSCORES')\n"
    "  if not first[1] or tonumber(first[2]) > last then return false end\n"
    "  if tonumber(first[2]) > now then redis.call('DEL', prefix .. first[1]:sub(11)) end\n"
    "  forget(first[1])\n"
    "  return true\n"
    "end\n"
    "local present = redis.call('GET', KEYS[1])\n"
    "if present then\n"
    "  redis.call('DEL', KEYS[1])\n"
    "  forget(name(ARGV[1], #present))\n"
    "end\n"
    "local ttl = ARGV[5]\n"
    "if ttl == '0' then return 1 end\n"
    "local left = 4096\n"
    "while left > 4000 and drop_first(KEYS[2], now) do left = left - 1 end\n"
    "for i = 3, 2, -1 do\n"
    "  local room = tonumber(ARGV[6 - i]) - #ARGV[1] - #ARGV[2]\n"
    "  while -(tonumber(redis.call('ZSCORE', KEYS[i], '') or 0)) > room do\n"
    "    left = left - 1\n"
    "    if left == 0 or not drop_first(KEYS[i], math.huge) then return 0 end\n"
    "  end\n"
    "end\n"
    "redis.call('SET', KEYS[1], ARGV[2], unpack(ttl and {'PX', ttl} or {}))\n"
    "for i = 2, 3 do\n"
    "  if redis.call('ZADD', KEYS[i], string.format('%.0f', now + (ttl or 1e15)),\n"
    "      name(ARGV[1], #ARGV[2])) == 1 then\n"
    "    redis.call('ZINCRBY', KEYS[i], -#ARGV[1] - #ARGV[2], '')\n"
    "  end\n"
    "end\n"
    "return 1\n";

/* Returns as script_claim. */
static const char script_claim_kept[] = SCRIPT_SHARE "local value = redis.call('GET', KEYS[1])\n"
                                                     "if not value then return false end\n"
                                                     "redis.call('DEL', KEYS[1])\n"
                                                     "forget(name(ARGV[1], #value))\n"
                                                     "return {1, value}\n";

/* KEYS: entry, index. ARGV: key. */
static const char script_delete[] = "redis.call('DEL', KEYS[1])\n"
                                    "redis.call('ZREM', KEYS[2], ARGV[1])\n"
                                    "return 1\n";

/* KEYS: entries. ARGV, when there is an index: its name, where keys begin in the names of entries.
 * Returns which was there, and its value. */
static const char script_claim[] =
    "for i, entry in ipairs(KEYS) do\n"
    "  local value = redis.call('GET', entry)\n"
    "  if value then\n"
    "    redis.call('DEL', entry)\n"
    "    if ARGV[1] then redis.call('ZREM', ARGV[1], entry:sub(ARGV[2])) end\n"
    "    return {i, value}\n"
    "  end\n"
    "end\n"
    "return false\n";

/* KEYS: entry, index or nothing. ARGV: key, '=' (else none is expected), expected value, then when
 * it is not to be deleted: new value, ttl or nothing. Returns the present value in conflict. */
static const char script_swap[] =
    "local present = redis.call('GET', KEYS[1])\n"
    "if present ~= (ARGV[2] == '=' and ARGV[3]) then return {present} end\n"
    "if ARGV[4] then\n"
    "  redis.call('SET', KEYS[1], ARGV[4], unpack(ARGV[5] and {'PX', ARGV[5]} or {}))\n"
    "  if KEYS[2] then redis.call('ZADD', KEYS[2], 0, ARGV[1]) end\n"
    "else\n"
    "  redis.call('DEL', KEYS[1])\n"
    "  if KEYS[2] then redis.call('ZREM', KEYS[2], ARGV[1]) end\n"
    "end\n"
    "return 1\n";

/* KEYS: counters. ARGV, five for each: amount and limit as halves, ttl or 0 for ever. Returns 0 or
 * which one refused, and the sums as text. */
static const char script_count[] =
    "local result, todo = {0}, {}\n"
    "for i, name in ipairs(KEYS) do\n"
    "  local function arg(n) return tonumber(ARGV[5 * (i - 1) + n]) end\n"
    "  local sum = redis.call('GET', name) or '0'\n"
    "  local high = (tonumber(sum:sub(1, -10)) or 0) + arg(1)\n"
    "  local low = tonumber(sum:sub(-9)) + arg(2)\n"
    "  if low < 0 then high, low = high - 1, low + 1e9 end\n"
    "  if low >= 1e9 then high, low = high + 1, low - 1e9 end\n"
    "  if high < 0 then high, low = 0, 0 end\n"
    "  if high > 9223372036 or high == 9223372036 and low > 854775807 then\n"
    "    high, low = 9223372036, 854775807\n"
    "  end\n"
    "  if result[1] == 0 and (high > arg(3) or high == arg(3) and low > arg(4)) then\n"
    "    result[1] = i\n"
    "  end\n"
    "  result[i + 1] = sum\n"
    "  sum = high > 0 and string.format('%.0f%09.0f', high, low) or string.format('%.0f', low)\n"
    "  todo[i] = {name, sum}\n"
    "  if arg(5) > 0 then todo[i][3], todo[i][4] = 'PX', ARGV[5 * i] end\n"
    "end\n"
    "if result[1] > 0 then return result end\n"
    "for i, set in ipairs(todo) do\n"
    "  redis.call('SET', unpack(set))\n"
    "  result[i + 1] = set[2]\n"
    "end\n"
    "return result\n";

/* KEYS: entries, then the mark if there is one. ARGV: ttl or 0 for ever, index or nothing, where
 * keys begin in the names of entries, the mark's number or 0 and its ttl, then the numbers for each
 * entry, with blanks between. */
static const char script_tally[] =
    "local ttl, mark = ARGV[1], KEYS[#ARGV - 4]\n"
    "if mark then\n"
    "  if tonumber(redis.call('GET', mark) or 0) >= tonumber(ARGV[4]) then return 1 end\n"
    "  redis.call('SET', mark, ARGV[4], 'PX', ARGV[5])\n"
    "end\n"
    "for i = 1, #ARGV - 5 do\n"
    "  local entry, sums = KEYS[i], {}\n"
    "  local old = (redis.call('GET', entry) or ''):gmatch('%d+')\n"
    "  for number in ARGV[5 + i]:gmatch('%d+') do\n"
    "    local sum = tonumber(old() or 0) + tonumber(number)\n"
    "    sums[#sums + 1] = string.format('%.0f', math.min(sum, 2 ^ 53))\n"
    "  end\n"
    "  redis.call('SET', entry, table.concat(sums, ' '), unpack(ttl ~= '0' and {'PX', ttl} or "
    "{}))\n"
    "  if ARGV[2] ~= '' then redis.call('ZADD', ARGV[2], 0, entry:sub(ARGV[3])) end\n"
    "end\n"
    "return 1\n";

/* KEYS: a sorted set of holders by their end. ARGV: holder, limit, ttl; 0 lets go. Returns whether
 * it holds, and how many do. */
static const char script_hold[] =
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
    "redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))\n"
    "local stays = redis.call('ZREM', KEYS[1], ARGV[1]) == 1\n"
    "local n, ttl = redis.call('ZCARD', KEYS[1]), tonumber(ARGV[3])\n"
    "if ttl == 0 then return {1, n} end\n"
    "if not stays and n >= tonumber(ARGV[2]) then return {0, n} end\n"
    "redis.call('ZADD', KEYS[1], string.format('%.0f', now + ttl), ARGV[1])\n"
    "local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]\n"
    "redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', tonumber(last)))\n"
    "return {1, n + 1}\n";

/* KEYS: log. ARGV: row, how many are kept. Its number is above that of the last row. */
static const char script_append[] =
    "local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]\n"
    "local id = last and tonumber(last[1]:match('^%d+')) + 1 or 1\n"
    "redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], string.format('%.0f-0', id),\n"
    "  'row', ARGV[1])\n"
    "return 1\n";

/* KEYS: index. ARGV: key to begin behind, most rows, what stands before keys in the names of
 * entries. Keys without an entry leave the index. */
static const char script_list[] =
    "local rows, after, max = {}, '(' .. ARGV[1], tonumber(ARGV[2])\n"
    "repeat\n"
    "  local keys = redis.call('ZRANGEBYLEX', KEYS[1], after, '+', 'LIMIT', 0, max)\n"
    "  for _, key in ipairs(keys) do\n"
    "    local value = redis.call('GET', ARGV[3] .. key)\n"
    "    after = '(' .. key\n"
    "    if not value then\n"
    "      redis.call('ZREM', KEYS[1], key)\n"
    "    elseif #rows < 2 * max then\n"
    "      rows[#rows + 1] = key\n"
    "      rows[#rows + 1] = value\n"
    "    end\n"
    "  end\n"
    "until #keys < max or #rows == 2 * max\n"
    "return rows\n";

/* ---- words ---- */

void redis_word(struct redis_words *w, struct str text)
{
    BUG_ON(w->n == COUNT_OF(w->p));
    w->p[w->n] = text.n > 0 ? text.p : "";
    w->lengths[w->n++] = text.n;
}

/* Makes what was put at the end of `made` the next word. */
static void end_word(struct redis_words *w, size_t n)
{
    BUG_ON(n >= sizeof(w->made) - w->n_made);
    redis_word(w, (struct str){ w->made + w->n_made, n });
    w->n_made += n;
}

void redis_word_number(struct redis_words *w, int64_t number)
{
    end_word(w, (size_t)snprintf(w->made + w->n_made, sizeof(w->made) - w->n_made, "%lld",
                                 (long long)number));
}

void redis_word_name(struct redis_words *w, const struct redis *r, enum store_space space,
                     const char *tail)
{
    end_word(w, (size_t)snprintf(w->made + w->n_made, sizeof(w->made) - w->n_made, "%s:%s%s",
                                 r->prefix, store_space_name(space), tail));
}

/* A server without an append-only file may come back with tips that were claimed meanwhile, which
 * point to chats that have gone on: so its tips are those of one run. */
static void word_entry(struct redis_words *w, const struct redis *r, const struct store_key *key)
{
    size_t before = w->n_made;
    char tail[REDIS_RUN_LEN + 3] = ":";
    size_t n;

    if (w->run && key->space == STORE_TIP)
        snprintf(tail, sizeof(tail), "@%s:", w->run);
    redis_word_name(w, r, key->space, tail);
    n = w->n_made - before;
    BUG_ON(key->n > sizeof(w->made) - w->n_made);
    memcpy(w->made + w->n_made, key->bytes, key->n);
    w->n_made += key->n;
    w->lengths[w->n - 1] = n + key->n;
}

static void word_key(struct redis_words *w, const struct store_key *key)
{
    redis_word(w, (struct str){ (const char *)key->bytes, key->n });
}

static void word_script(struct redis_words *w, const char *script, size_t n_keys)
{
    redis_word(w, STR("EVAL"));
    redis_word(w, str_of(script));
    redis_word_number(w, (int64_t)n_keys);
}

enum err redis_words_add(const struct redis_words *w, struct buf *out)
{
    char *bytes;
    int n = redisFormatCommandArgv(&bytes, (int)w->n, (const char **)(uintptr_t)w->p, w->lengths);
    enum err err;

    if (n < 0)
        return ERR_NOMEM;
    err = buf_add(out, (struct str){ bytes, (size_t)n });
    mem_wipe(bytes, (size_t)n);
    redisFreeCommand(bytes);
    return err;
}

/* ---- verbs ---- */

static void add_get(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    redis_word(w, STR("GET"));
    word_entry(w, r, op->keys);
}

static void put_listed(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    word_script(w, op->ttl_ms > 0 ? script_put : script_delete, 2);
    word_entry(w, r, op->keys);
    redis_word_name(w, r, op->keys->space, "#index");
    word_key(w, op->keys);
    if (op->ttl_ms <= 0)
        return;
    redis_word(w, op->value);
    if (op->ttl_ms < TTL_MAX_MS)
        redis_word_number(w, op->ttl_ms);
}

/* The script, and what both of those with shares begin with. */
static void word_kept(struct redis_words *w, const struct redis *r, const char *script,
                      const struct store_key *key)
{
    struct str owner = store_owner(key);

    word_script(w, script, 3);
    word_entry(w, r, key);
    redis_word_name(w, r, key->space, "#share");
    redis_word_name(w, r, key->space, "#share:");
    BUG_ON(owner.n > sizeof(w->made) - w->n_made);
    memcpy(w->made + w->n_made, owner.p, owner.n);
    w->n_made += owner.n;
    w->lengths[w->n - 1] += owner.n;
    word_key(w, key);
}

static void put_kept(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    word_kept(w, r, script_keep, op->keys);
    redis_word(w, op->value);
    redis_word_number(w, op->room < INT64_MAX ? store_owner_room(op->room) : INT64_MAX);
    redis_word_number(w, op->room);
    if (op->ttl_ms < TTL_MAX_MS)
        redis_word_number(w, op->ttl_ms > 0 ? op->ttl_ms : 0);
}

static void add_put(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    if (store_space_is_listed(op->keys->space)) {
        put_listed(r, op, w);
        return;
    }
    if (store_space_is_large(op->keys->space)) {
        put_kept(r, op, w);
        return;
    }
    redis_word(w, op->ttl_ms > 0 ? STR("SET") : STR("DEL"));
    word_entry(w, r, op->keys);
    if (op->ttl_ms <= 0)
        return;
    redis_word(w, op->value);
    if (op->ttl_ms < TTL_MAX_MS) {
        redis_word(w, STR("PX"));
        redis_word_number(w, op->ttl_ms);
    }
}

static void add_claim(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    if (store_space_is_large(op->keys->space)) {
        BUG_ON(op->n_keys != 1);
        word_kept(w, r, script_claim_kept, op->keys);
        return;
    }
    word_script(w, script_claim, op->n_keys);
    for (size_t i = 0; i < op->n_keys; i++)
        word_entry(w, r, &op->keys[i]);
    if (!store_space_is_listed(op->keys->space))
        return;
    redis_word_name(w, r, op->keys->space, "#index");
    redis_word_number(w, (int64_t)(w->lengths[3] - op->keys[0].n + 1));
}

static void add_swap(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    bool is_listed = store_space_is_listed(op->keys->space);

    word_script(w, script_swap, is_listed ? 2 : 1);
    word_entry(w, r, op->keys);
    if (is_listed)
        redis_word_name(w, r, op->keys->space, "#index");
    word_key(w, op->keys);
    redis_word(w, op->expects_none ? STR("") : STR("="));
    redis_word(w, op->expected);
    if (op->deletes || op->ttl_ms <= 0)
        return;
    redis_word(w, op->value);
    if (op->ttl_ms < TTL_MAX_MS)
        redis_word_number(w, op->ttl_ms);
}

/* What is given back is never refused; a limit below 0 refuses even a sum of 0. */
static int64_t limit_of(const struct store_counter *c)
{
    return c->amount > 0 ? c->limit : INT64_MAX;
}

static void add_count(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    word_script(w, script_count, op->n_counters);
    for (size_t i = 0; i < op->n_counters; i++)
        word_entry(w, r, &op->counters[i].key);
    for (size_t i = 0; i < op->n_counters; i++) {
        const struct store_counter *c = &op->counters[i];
        int64_t limit = limit_of(c);

        redis_word_number(w, c->amount / HALF);
        redis_word_number(w, c->amount % HALF);
        redis_word_number(w, limit < 0 ? -1 : limit / HALF);
        redis_word_number(w, limit < 0 ? 0 : limit % HALF);
        redis_word_number(w, c->ttl_ms < TTL_MAX_MS ? c->ttl_ms : 0);
    }
}

static void word_numbers(struct redis_words *w, const int64_t numbers[STORE_TALLY_NUMBERS])
{
    char *at = w->made + w->n_made;
    size_t room = sizeof(w->made) - w->n_made, n = 0;

    for (size_t i = 0; i < STORE_TALLY_NUMBERS && n < room; i++)
        n += (size_t)snprintf(at + n, room - n, "%s%lld", i ? " " : "", (long long)numbers[i]);
    end_word(w, n);
}

static void add_tally(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    word_script(w, script_tally, op->n_tallies + op->n_keys);
    for (size_t i = 0; i < op->n_tallies; i++)
        word_entry(w, r, &op->tallies[i].key);
    if (op->n_keys > 0)
        word_entry(w, r, op->keys);
    redis_word_number(w, op->ttl_ms < TTL_MAX_MS ? op->ttl_ms : 0);
    if (store_space_is_listed(store_op_space(op)))
        redis_word_name(w, r, store_op_space(op), "#index");
    else
        redis_word(w, STR(""));
    redis_word_number(w, (int64_t)(w->lengths[3] - op->tallies[0].key.n + 1));
    redis_word_number(w, op->limit);
    redis_word_number(w, STORE_MARK_MS);
    for (size_t i = 0; i < op->n_tallies; i++)
        word_numbers(w, op->tallies[i].numbers);
}

static void add_hold(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    word_script(w, script_hold, 1);
    word_entry(w, r, op->keys);
    end_word(w, (size_t)snprintf(w->made + w->n_made, sizeof(w->made) - w->n_made, "%016llx",
                                 (unsigned long long)op->holder));
    redis_word_number(w, op->limit);
    redis_word_number(w, op->ttl_ms < TTL_MAX_MS ? op->ttl_ms : TTL_MAX_MS);
}

static void add_append(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    word_script(w, script_append, 1);
    redis_word_name(w, r, op->space, "#log");
    redis_word(w, op->value);
    redis_word_number(w, op->max < INT64_MAX ? (int64_t)op->max : INT64_MAX);
}

static void add_read(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    redis_word(w, STR("XREVRANGE"));
    redis_word_name(w, r, op->space, "#log");
    /* Servers before 6.2 cannot begin before an id; ours end in "-0". */
    end_word(w, (size_t)snprintf(w->made + w->n_made, sizeof(w->made) - w->n_made, "%llu-0",
                                 (unsigned long long)op->before_id - (op->before_id > 0)));
    redis_word(w, STR("-"));
    redis_word(w, STR("COUNT"));
    redis_word_number(w, (int64_t)op->max);
}

static void add_list(const struct redis *r, const struct store_op *op, struct redis_words *w)
{
    word_script(w, script_list, 1);
    redis_word_name(w, r, op->space, "#index");
    redis_word(w, op->after_key);
    redis_word_number(w, (int64_t)op->max);
    redis_word_name(w, r, op->space, ":");
}

enum err redis_command_add(const struct redis *r, const struct redis_server *server,
                           const struct store_op *op, struct buf *out)
{
    static void (*const verbs[])(const struct redis *, const struct store_op *,
                                 struct redis_words *) = {
        [STORE_GET] = add_get,   [STORE_PUT] = add_put,     [STORE_CLAIM] = add_claim,
        [STORE_SWAP] = add_swap, [STORE_COUNT] = add_count, [STORE_APPEND] = add_append,
        [STORE_READ] = add_read, [STORE_LIST] = add_list,   [STORE_TALLY] = add_tally,
        [STORE_HOLD] = add_hold,
    };
    struct redis_words w;

    w.n = w.n_made = 0;
    w.run = server->has_aof ? NULL : server->run;
    verbs[op->verb](r, op, &w);
    return redis_words_add(&w, out);
}
