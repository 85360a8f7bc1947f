/* SPDX-License-Identifier: Apache-2.0 */
/* Settings out of texts: files of a test are written to a directory of its own. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "gateway/settings.h"
#include "test.h"

static char problems[1 << 16];
static char dir[32] = "/tmp/settings-XXXXXX";

static char written[16][20];
static size_t n_written;

static inline const char *path_of(const char *name)
{
    static char path[64];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static inline void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "we");
    size_t i = 0;

    while (i < n_written && strcmp(written[i], name) != 0)
        i++;
    EXPECT(i < COUNT_OF(written));
    n_written += i == n_written;
    str_to_z(str_of(name), written[i], sizeof(written[i]));
    EXPECT(f != NULL);
    EXPECT(fputs(text, f) >= 0);
    fclose(f);
}

static inline void end_dir(void)
{
    for (size_t i = 0; i < n_written; i++)
        unlink(path_of(written[i]));
    rmdir(dir);
}

static inline void begin_dir(void)
{
    static bool is_made;

    if (is_made)
        return;
    is_made = true;
    EXPECT(mkdtemp(dir) != NULL);
    atexit(end_dir);
}

/* Loads settings.yaml with this text; what is wrong is in `problems`. */
static inline enum err load_yaml_for(enum settings_use use, char **environment, const char *text,
                                     struct settings *ret)
{
    char path[64];
    struct settings_source source = { .use = use, .environment = environment };
    struct buf told;

    begin_dir();
    write_file("settings.yaml", text);
    snprintf(path, sizeof(path), "%s", path_of("settings.yaml"));
    source.config_file = path;
    source.config_file_required = true;
    buf_init(&told, 1 << 20);
    enum err err = settings_load(&source, ret, &told);
    str_to_z(buf_str(&told), problems, sizeof(problems));
    buf_deinit(&told);
    return err;
}

static inline enum err load_yaml(const char *text, struct settings *ret)
{
    return load_yaml_for(SETTINGS_ALL, NULL, text, ret);
}
