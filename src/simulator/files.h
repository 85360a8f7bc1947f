/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were uploaded in OpenAI's format, and what routes point at for them. Private to this
 * room. */
#pragma once

#include "base/list.h"
#include "base/str.h"

enum { SIM_FILES_MAX = 64 };

struct sim_files {
    struct list list; /* of struct sim_file, in the order in which they came */
    size_t n;
    unsigned made; /* for their ids */
};

void sim_files_init(struct sim_files *f);
void sim_files_deinit(struct sim_files *f);

struct sim_call;

bool sim_check_upload(struct sim_call *c);
bool sim_check_files(struct sim_call *c);
bool sim_check_file(struct sim_call *c);
void sim_run_upload(struct sim_call *c);
void sim_run_files(struct sim_call *c);
void sim_run_file(struct sim_call *c);
void sim_run_file_content(struct sim_call *c);
void sim_run_file_delete(struct sim_call *c);
