/* Put between a program and the kernel by LD_PRELOAD: positioned reads and writes, standard input and standard
 * output come short or are interrupted, as POSIX allows them to. A short call really transfers its part.
 *
 * TRUELOG_SHORT_SEED    a number; which calls are hit follows from it and from the order of calls.
 * TRUELOG_SHORT_REPORT  a file that receives the counts when the program ends.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

/* O_DIRECT transfers stay whole multiples of this. */
#define ALIGNMENT 4096

enum verdict { WHOLE, SHORT, INTERRUPTED };

static atomic_uint_fast64_t calls, short_writes, short_reads, interruptions;
static uint64_t seed;

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("TRUELOG_SHORT_SEED");
    seed = text ? strtoull(text, NULL, 10) : 0;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("TRUELOG_SHORT_REPORT");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "%llu %llu %llu\n", (unsigned long long)short_writes, (unsigned long long)short_reads,
            (unsigned long long)interruptions);
    fclose(file);
}

/* Decides the fate of a call, and shortens `len` in place. */
static enum verdict decide(int fd, size_t *len)
{
    uint64_t random = mix(seed ^ mix(atomic_fetch_add(&calls, 1)));
    if (random % 8 == 0) {
        atomic_fetch_add(&interruptions, 1);
        return INTERRUPTED;
    }
    if (random % 8 > 4 || *len < 2)
        return WHOLE;
    size_t part = 1 + (size_t)((random >> 8) % (*len - 1));
    int flags = fcntl(fd, F_GETFL);
    if (flags != -1 && (flags & O_DIRECT))
        part -= part % ALIGNMENT;
    if (part == 0)
        return WHOLE;
    *len = part;
    return SHORT;
}

/* The function of that name in the C library, looked up once. */
#define REAL(name)                            \
    static __typeof__(name) *real;            \
    if (!real)                                \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name);

/* Returns from a call that is interrupted, counts one that is short. */
#define SUFFER(fd, len, counter)              \
    switch (decide(fd, &len)) {               \
    case INTERRUPTED:                         \
        errno = EINTR;                        \
        return -1;                            \
    case SHORT:                               \
        atomic_fetch_add(&counter, 1);        \
        break;                                \
    case WHOLE:                               \
        break;                                \
    }

#define POSITIONED(name, buffer, counter)                              \
    ssize_t name(int fd, buffer buf, size_t len, off_t offset)         \
    {                                                                  \
        REAL(name)                                                     \
        SUFFER(fd, len, counter)                                       \
        return real(fd, buf, len, offset);                             \
    }

#define STREAMED(name, buffer, standard, counter)                      \
    ssize_t name(int fd, buffer buf, size_t len)                       \
    {                                                                  \
        REAL(name)                                                     \
        if (fd == standard)                                            \
            SUFFER(fd, len, counter)                                   \
        return real(fd, buf, len);                                     \
    }

POSITIONED(pwrite64, const void *, short_writes)
POSITIONED(pwrite, const void *, short_writes)
POSITIONED(pread64, void *, short_reads)
POSITIONED(pread, void *, short_reads)
STREAMED(write, const void *, STDOUT_FILENO, short_writes)
STREAMED(read, void *, STDIN_FILENO, short_reads)
