/* SPDX-License-Identifier: Apache-2.0 */
/* Shape and spread of what is random; a fork must not repeat it. */
#include "base/random.h"

#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static void uuids_have_version_and_variant(void)
{
    for (int i = 0; i < 1000; i++) {
        char uuid[UUID_LEN + 1];

        random_uuid(uuid);
        EXPECT_INT(strlen(uuid), UUID_LEN);
        EXPECT_INT(strspn(uuid, "0123456789abcdef-"), UUID_LEN);
        EXPECT(uuid[8] == '-' && uuid[13] == '-' && uuid[18] == '-' && uuid[23] == '-');
        EXPECT_INT(uuid[14], '4');
        EXPECT(strchr("89ab", uuid[19]) != NULL);
    }
}

static void ids_use_all_letters_alike(void)
{
    enum { ROUNDS = 2000, N = RANDOM_ID_MAX };
    static size_t counts[256];
    char id[4 + N + 1];

    for (int i = 0; i < ROUNDS; i++) {
        random_id("msg_", N, id);
        EXPECT(str_starts(str_of(id), STR("msg_")));
        EXPECT_INT(strlen(id), 4 + N);
        for (size_t k = 4; k < 4 + N; k++)
            counts[(unsigned char)id[k]]++;
    }
    for (int c = 0; c < 256; c++) {
        bool is_letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        /* 2064 expected, deviation 45: eleven deviations never happen. */
        EXPECT(is_letter ? counts[c] > 1564 && counts[c] < 2564 : counts[c] == 0);
    }
}

static void any_number_of_bytes_is_fresh(void)
{
    static unsigned char a[2000];
    static unsigned char b[2000];

    random_bytes(a, 0);
    for (size_t n = 16; n <= sizeof(a); n += 31) {
        random_bytes(a, n);
        random_bytes(b, n);
        EXPECT(memcmp(a, b, n) != 0);
    }
    EXPECT(random_u64() != random_u64());
}

static void a_child_process_draws_other_bytes(void)
{
    uint64_t mine[4];
    uint64_t theirs[4];
    int fds[2];
    int status;
    pid_t child;

    (void)random_u64(); /* the pool is filled */
    EXPECT(pipe(fds) == 0);
    child = fork();
    if (child == 0) {
        random_bytes(theirs, sizeof(theirs));
        _exit(write(fds[1], theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
    }
    random_bytes(mine, sizeof(mine));
    EXPECT(read(fds[0], theirs, sizeof(theirs)) == sizeof(theirs));
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(memcmp(mine, theirs, sizeof(mine)) != 0);
    close(fds[0]);
    close(fds[1]);
}

static const struct test suite[] = {
    { "UUIDs have version and variant", uuids_have_version_and_variant },
    { "ids use all letters alike", ids_use_all_letters_alike },
    { "any number of bytes is fresh", any_number_of_bytes_is_fresh },
    { "a child process draws other bytes", a_child_process_draws_other_bytes },
};

TEST_MAIN(suite)
