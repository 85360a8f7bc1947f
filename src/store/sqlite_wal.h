/* SPDX-License-Identifier: Apache-2.0 */
/* What the write-ahead log of a file must hold after its process was killed: SQLite takes a log
 * that was damaged since for one that ends before the damage. */
#pragma once

#include <stdint.h>

#include "store/sqlite_db.h"

/* How many frames of the log beside `path` were committed, as its index tells; to be asked before
 * the file is opened. 0 when there is no index, UINT32_MAX when it is damaged or of another log. */
uint32_t sqlite_wal_frames(const char *path);

/* Whether fewer are left of them, once `db` has been opened. */
bool sqlite_wal_lost(struct sqlite_db *db, uint32_t frames);
