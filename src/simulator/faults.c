/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of switches; see faults.h. Spent ones stay until their place is needed, so that a
 * prompt that comes again does not bring its faults anew.
 */
#include "simulator/faults.h"

#include "base/mem.h"

static const struct {
    const char *name;
    unsigned places;
} kinds[] = {
#define X(id, name, where) { name, where },
    SIM_FAULT_LIST(X)
#undef X
};

static const char *const wheres[] = { "accept",   "client", "token",           "billing",
                                      "adapters", "delete", "preferred_model", "project",
                                      "offers",   "oauth",  "models",          "embeddings",
                                      "audio",    "files",  "completions",     "chunks",
                                      "post",     "ws",     "frames" };

#define NUMBER(field, low, high)                                                       \
    {                                                                                  \
#field, SIM_OPTION_INT, offsetof(struct sim_fault, field), (low), (high), NULL \
    }

static const struct sim_option table[] = {
    { "where", SIM_OPTION_WORD, offsetof(struct sim_fault, where), 0, 0,
      "accept|client|token|billing|adapters|delete|preferred_model|project|offers|oauth|models|"
      "embeddings|audio|files|"
      "completions|chunks|post|ws|frames" },
    NUMBER(times, -1, 1000000000),
    NUMBER(after, 0, 1000000000),
    NUMBER(status, 100, 599),
    NUMBER(delay_ms, 0, 3600000),
    NUMBER(code, -1, 4999),
    NUMBER(at, 0, 1000000000),
    NUMBER(bytes, 1, 33554432),
    NUMBER(account, -1, 63),
};
static const struct sim_options numbers = { table, COUNT_OF(table) };

static const struct {
    const char *name;
    size_t offset;
} texts[] = {
    { "retry_after", offsetof(struct sim_fault, retry_after) },
    { "body", offsetof(struct sim_fault, body) },
    { "type", offsetof(struct sim_fault, type) },
    { "prompt", offsetof(struct sim_fault, prompt) },
};

const char *sim_fault_name(enum sim_kind kind)
{
    return kind < SIM_KIND_COUNT ? kinds[kind].name : "none";
}

const char *sim_where_name(enum sim_where where)
{
    return where < SIM_WHERE_COUNT ? wheres[where] : "none";
}

void sim_faults_init(struct sim_faults *f)
{
    list_init(&f->list);
    f->n = 0;
}

static void fault_free(struct sim_fault *f)
{
    list_remove(&f->node);
    arena_deinit(&f->arena);
    mem_free(f);
}

static void free_all(struct list *list)
{
    struct list *node;

    while ((node = list_take_head(list)))
        fault_free(CONTAINER_OF(node, struct sim_fault, node));
}

void sim_faults_deinit(struct sim_faults *f)
{
    free_all(&f->list);
    f->n = 0;
}

static struct sim_fault *fault_new(struct list *list)
{
    struct sim_fault *f = mem_new(struct sim_fault);

    arena_init(&f->arena);
    f->where = SIM_WHERE_COUNT;
    f->kind = SIM_KIND_COUNT;
    f->times = 1;
    f->code = -1;
    f->account = -1;
    list_add_tail(list, &f->node);
    return f;
}

static unsigned place_bit(int where)
{
    switch ((enum sim_where)where) {
    case SIM_AT_ACCEPT:
        return SIM_FOR_ACCEPT;
    case SIM_AT_WS:
        return SIM_FOR_WS;
    case SIM_AT_FRAMES:
        return SIM_FOR_FRAMES;
    case SIM_AT_CHUNKS:
        return SIM_FOR_CHUNKS;
    case SIM_AT_CLIENT:
    case SIM_AT_TOKEN:
    case SIM_AT_BILLING:
    case SIM_AT_ADAPTERS:
    case SIM_AT_DELETE:
    case SIM_AT_PREFERRED:
    case SIM_AT_PROJECT:
    case SIM_AT_OFFERS:
    case SIM_AT_OAUTH:
    case SIM_AT_MODELS:
    case SIM_AT_EMBEDDINGS:
    case SIM_AT_AUDIO:
    case SIM_AT_FILES:
    case SIM_AT_COMPLETIONS:
    case SIM_AT_POST:
        return SIM_FOR_HTTP;
    case SIM_WHERE_COUNT:
        break;
    }
    return 0;
}

/* What a fault means that only has a status or a delay. */
static int implied_kind(const struct sim_fault *f)
{
    if (f->status)
        return SIM_STATUS;
    return f->delay_ms ? SIM_DELAY : SIM_KIND_COUNT;
}

static int usual_status(int kind)
{
    if (kind == SIM_CHALLENGE)
        return 403;
    return kind == SIM_REDIRECT ? 307 : 503;
}

/* What a kind means without being told more. */
static void fill_in(struct sim_fault *f)
{
    if (f->kind == SIM_KIND_COUNT)
        f->kind = implied_kind(f);
    if (!f->status)
        f->status = usual_status(f->kind);
    if (!f->delay_ms)
        f->delay_ms = 1000;
    if (!f->bytes)
        f->bytes = 4194304;
    if (f->code < 0)
        f->code = f->kind == SIM_NO_FINAL ? 1000 : 1011;
}

static enum err check(struct sim_fault *f, char *what)
{
    fill_in(f);
    if (f->where == SIM_WHERE_COUNT)
        return sim_complain(what, "a fault needs \"where\"");
    if (f->kind == SIM_KIND_COUNT)
        return sim_complain(what, "a fault at %s needs \"kind\" or \"status\"", wheres[f->where]);
    if (!(kinds[f->kind].places & place_bit(f->where)))
        return sim_complain(what, "\"%s\" cannot happen at %s", kinds[f->kind].name,
                            wheres[f->where]);
    return ERR_NONE;
}

static bool set_kind(struct sim_fault *f, struct str name)
{
    for (int i = 0; i < SIM_KIND_COUNT; i++) {
        if (str_eq(name, str_of(kinds[i].name))) {
            f->kind = i;
            return true;
        }
    }
    return false;
}

static enum err set(struct sim_fault *f, struct str name, struct str value, char *what)
{
    enum err err;

    if (str_eq(name, STR("kind")))
        return set_kind(f, value)
                   ? ERR_NONE
                   : sim_complain(what, "there is no fault \"%.*s\"", STR_ARGS(value));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (str_eq(name, str_of(texts[i].name))) {
            if (value.n > SIM_FAULT_TEXT_MAX)
                return sim_complain(what, "%s is longer than %d bytes", texts[i].name,
                                    SIM_FAULT_TEXT_MAX);
            *(struct str *)(void *)((char *)f + texts[i].offset) = arena_dup(&f->arena, value);
            return ERR_NONE;
        }
    }
    err = sim_option_set(&numbers, f, name, value, what);
    return err == ERR_NOT_FOUND
               ? sim_complain(what, "a fault has no member \"%.*s\"", STR_ARGS(name))
               : err;
}

static enum err read_object(struct list *list, struct json *j, char *what)
{
    struct sim_fault *f = fault_new(list);
    struct json_value v;
    struct str name;
    struct str value;

    if (!json_enter_object(j))
        return sim_complain(what, "a fault is an object");
    while (json_next_member(j, &name)) {
        if (!json_read(j, &v) || sim_option_text(&v, &f->arena, &value))
            return sim_complain(what, "%.*s: malformed JSON", STR_ARGS(name));
        if (set(f, name, value, what))
            return ERR_BAD_INPUT;
    }
    return j->failed ? sim_complain(what, "malformed JSON at byte %zu", json_offset(j))
                     : check(f, what);
}

static enum err read_list(struct list *list, struct json *j, char *what)
{
    if (!json_enter_array(j))
        return read_object(list, j, what);
    while (json_next_item(j))
        if (read_object(list, j, what))
            return ERR_BAD_INPUT;
    return j->failed ? sim_complain(what, "malformed JSON at byte %zu", json_offset(j)) : ERR_NONE;
}

static bool is_spent(const struct sim_fault *f)
{
    return f->times == 0;
}

static bool came_with_a_prompt(const struct sim_fault *f)
{
    return f->origin != 0;
}

static void drop_oldest(struct sim_faults *f, size_t n, bool (*may_go)(const struct sim_fault *))
{
    struct list *next;

    for (struct list *node = f->list.next; node != &f->list; node = next) {
        struct sim_fault *old = CONTAINER_OF(node, struct sim_fault, node);

        next = node->next;
        if (f->n + n <= SIM_FAULTS_MAX)
            return;
        if (may_go(old)) {
            fault_free(old);
            f->n--;
        }
    }
}

/* Prompts bring theirs anew when they come again; what was armed from outside stays. */
static void make_room(struct sim_faults *f, size_t n)
{
    drop_oldest(f, n, is_spent);
    drop_oldest(f, n, came_with_a_prompt);
}

static size_t count(const struct list *list)
{
    size_t n = 0;

    LIST_EACH (node, list)
        n++;
    return n;
}

static enum err take_over(struct sim_faults *f, struct list *added, char *what)
{
    size_t n = count(added);

    make_room(f, n);
    if (f->n + n > SIM_FAULTS_MAX) {
        free_all(added);
        return sim_complain(what, "more than %d faults are armed", SIM_FAULTS_MAX);
    }
    list_move_all(&f->list, added);
    f->n += n;
    return ERR_NONE;
}

enum err sim_faults_move(struct sim_faults *f, struct sim_faults *from, char *what)
{
    from->n = 0;
    return take_over(f, &from->list, what);
}

enum err sim_faults_read(struct sim_faults *f, struct json *j, char *what)
{
    struct list added;
    enum err err;

    list_init(&added);
    err = read_list(&added, j, what);
    if (!err)
        return take_over(f, &added, what);
    free_all(&added);
    return err;
}

enum err sim_faults_add_json(struct sim_faults *f, struct str json, char *what)
{
    struct list added;
    struct json j;
    enum err err;

    list_init(&added);
    json_init(&j, json, 16);
    err = read_list(&added, &j, what);
    if (!err && json_end(&j))
        err = sim_complain(what, "malformed JSON at byte %zu", json_offset(&j));
    if (!err)
        return take_over(f, &added, what);
    free_all(&added);
    return err;
}

static bool is_early(int kind)
{
    return kind == SIM_RESET_EARLY || kind == SIM_CLOSE_EARLY;
}

static enum err read_word(struct sim_fault *f, struct str word, char *what)
{
    struct str value;
    struct str name = str_cut(word, '=', &value);
    uint64_t status;

    if (value.p)
        return set(f, name, value, what);
    if (str_to_u64(word, 599, &status) == ERR_NONE)
        return set(f, STR("status"), word, what);
    return set(f, STR("kind"), word, what);
}

/* Places that a prompt's faults are at for that prompt alone. */
static bool is_of_prompt(int where)
{
    return where == SIM_AT_POST || where == SIM_AT_FRAMES || where == SIM_AT_COMPLETIONS ||
           where == SIM_AT_CHUNKS;
}

static enum err read_words(struct sim_fault *f, struct str line, char *what)
{
    if (set(f, STR("where"), sim_next_word(&line), what))
        return ERR_BAD_INPUT;
    f->times = is_of_prompt(f->where) ? -1 : 1;
    while (line.n > 0)
        if (read_word(f, sim_next_word(&line), what))
            return ERR_BAD_INPUT;
    return check(f, what);
}

enum err sim_faults_add_line(struct sim_faults *f, struct str line, uint64_t origin, char *what)
{
    struct list added;
    struct json j;
    enum err err;

    list_init(&added);
    line = str_trim(line);
    json_init(&j, line, 16);
    if (str_starts(line, STR("{")))
        err = read_object(&added, &j, what);
    else
        err = read_words(fault_new(&added), line, what);
    if (err) {
        free_all(&added);
        return err;
    }
    if (is_early(CONTAINER_OF(added.next, struct sim_fault, node)->kind)) {
        free_all(&added);
        return sim_complain(what, "a prompt comes too late for what happens before it is read");
    }
    CONTAINER_OF(added.next, struct sim_fault, node)->origin = origin;
    return take_over(f, &added, what);
}

bool sim_faults_know(const struct sim_faults *f, uint64_t origin)
{
    LIST_EACH (node, &f->list)
        if (CONTAINER_OF(node, struct sim_fault, node)->origin == origin)
            return true;
    return false;
}

static bool is_for(const struct sim_fault *f, enum sim_where where, const struct sim_asker *asker)
{
    if (f->where != (int)where || f->times == 0 || is_early(f->kind) != asker->is_early)
        return false;
    if (f->origin && is_of_prompt((int)where) && f->origin != asker->origin)
        return false;
    if (f->account >= 0 && f->account != asker->account)
        return false;
    return !f->prompt.p || str_find(asker->prompt, f->prompt) != SIZE_MAX;
}

size_t sim_faults_take_all(struct sim_faults *f, enum sim_where where,
                           const struct sim_asker *asker, const struct sim_fault **ret, size_t max)
{
    size_t n = 0;

    LIST_EACH (node, &f->list) {
        struct sim_fault *fault = CONTAINER_OF(node, struct sim_fault, node);

        if (n == max)
            break;
        if (!is_for(fault, where, asker))
            continue;
        if (fault->after > 0) {
            fault->after--;
            continue;
        }
        if (fault->times > 0)
            fault->times--;
        ret[n++] = fault;
    }
    return n;
}

const struct sim_fault *sim_faults_take(struct sim_faults *f, enum sim_where where,
                                        const struct sim_asker *asker)
{
    const struct sim_fault *fault = NULL;

    return sim_faults_take_all(f, where, asker, &fault, 1) ? fault : NULL;
}

static void write_text(struct json_writer *w, const char *name, struct str s)
{
    if (s.p)
        json_w_member_str(w, name, s);
}

void sim_faults_write(const struct sim_faults *f, struct json_writer *w)
{
    json_w_array(w);
    LIST_EACH (node, &f->list) {
        const struct sim_fault *fault = CONTAINER_OF(node, struct sim_fault, node);

        json_w_object(w);
        json_w_member_str(w, "kind", str_of(kinds[fault->kind].name));
        sim_options_write(&numbers, fault, w);
        write_text(w, "retry_after", fault->retry_after);
        write_text(w, "body", fault->body);
        write_text(w, "type", fault->type);
        write_text(w, "prompt", fault->prompt);
        json_w_object_end(w);
    }
    json_w_array_end(w);
}
