/* SPDX-License-Identifier: Apache-2.0 */
/* What routes point at for OpenAI's endpoints beside chat completions. Private to this room. */
#pragma once

#include <stdbool.h>

struct sim_call;

bool sim_check_embeddings(struct sim_call *c);
bool sim_check_audio(struct sim_call *c);
bool sim_check_speech(struct sim_call *c);
void sim_run_embeddings(struct sim_call *c);
void sim_run_audio(struct sim_call *c);
void sim_run_speech(struct sim_call *c);
