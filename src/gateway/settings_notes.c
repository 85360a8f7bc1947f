/* SPDX-License-Identifier: Apache-2.0 */
/* What is in .env without effect, or in the sight of others: no problem, since other programs may
 * read the file too, but rarely what was meant. */
#include <sys/stat.h>

#include "base/log.h"
#include "base/near.h"
#include "gateway/settings_internal.h"

enum { NOTES_MAX = 4096 };

static bool is_setting(struct str name)
{
    for (const struct setting *row = settings_table; row->name; row++)
        if (str_eq(name, str_of(row->name)) ||
            (row->type == SETTING_SECRET && str_starts(name, str_of(row->name)) &&
             str_eq(str_from(name, strlen(row->name)), STR("_FILE"))))
            return true;
    return false;
}

static enum err note_name(const struct loader *l, const struct dotenv_entry *entry,
                          struct buf *notes)
{
    struct near near;

    near_init(&near, entry->name);
    for (const struct setting *row = settings_table; row->name; row++)
        near_try(&near, row->name);
    if (!near.best || is_setting(entry->name))
        return ERR_NONE;
    return buf_addf(notes, "%.200s line %u: %.*s is no setting and has no effect%s%s%s\n",
                    l->source->env_file, entry->line, STR_ARGS(entry->name), NEAR_ARGS(&near));
}

static bool holds_secret(const struct loader *l)
{
    for (const struct setting *row = settings_table; row->name; row++) {
        const struct dotenv_entry *entry = dotenv_find(&l->env_file, str_of(row->name));

        if (row->type == SETTING_SECRET && entry && entry->value.n)
            return true;
    }
    return false;
}

static enum err note_mode(const struct loader *l, struct buf *notes)
{
    const char *path = l->source->env_file;
    struct stat st;

    if (!holds_secret(l) || stat(path, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & S_IROTH))
        return ERR_NONE;
    return buf_addf(notes,
                    "%.200s has secrets in it, and everybody on this machine may read it: "
                    "chmod 600 %.200s\n",
                    path, path);
}

/* Until they are longer than their bound: then they have said enough. */
static bool note_all(const struct loader *l, struct buf *notes)
{
    for (size_t i = 0; i < l->env_file.n; i++)
        if (note_name(l, &l->env_file.entries[i], notes))
            return false;
    return note_mode(l, notes) == ERR_NONE;
}

void loader_note(struct loader *l)
{
    struct buf notes;

    buf_init(&notes, NOTES_MAX);
    note_all(l, &notes);
    l->out->notes = arena_dup(&l->out->arena, buf_str(&notes)).p;
    buf_deinit(&notes);
}

void settings_log_notes(const struct settings *s)
{
    struct str line, rest = str_of(s->notes);

    while (rest.n) {
        line = str_cut(rest, '\n', &rest);
        log_warn("a setting seems to be meant otherwise", LOG_STR("what", line));
    }
}
