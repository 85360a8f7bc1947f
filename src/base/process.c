/* SPDX-License-Identifier: Apache-2.0 */
#include "base/process.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int64_t process_resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long long pages = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%*d %lld", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

int64_t process_cpu_us(void)
{
    struct timespec t;

    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t))
        return 0;
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void process_set_dumpable(bool on)
{
    struct rlimit limit;

    prctl(PR_SET_DUMPABLE, on ? 1 : 0);
    if (getrlimit(RLIMIT_CORE, &limit))
        return;
    limit.rlim_cur = on ? limit.rlim_max : 0; /* for handlers of cores, which ask for it */
    setrlimit(RLIMIT_CORE, &limit);
}
