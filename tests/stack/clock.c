/* A clock that is set while the process runs, for LD_PRELOAD: tests/stack/clock.py writes the table and says why.

The table is a file that everybody maps: how often the clock was set, and each time the real moment and by how much the
clock was wrong from then on. What was written to disk in between bears the stamp that a kernel with that clock would
have given it. CLOCK_MONOTONIC and the like are as they are. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

struct table {
    volatile int64_t count;
    struct { int64_t from, by; } set[63];
};

static const struct table none;
static const struct table *table = &none;

__attribute__((constructor)) static void map(void) {
    const char *path = getenv("TEST_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *found = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (found != MAP_FAILED)
        table = found;
}

static int64_t nanoseconds(struct timespec at) { return at.tv_sec * SECOND + at.tv_nsec; }

static struct timespec moment(int64_t at) {
    int64_t rest = (at % SECOND + SECOND) % SECOND;
    return (struct timespec){(at - rest) / SECOND, rest};
}

static int64_t wrong_by(void) { return table->count ? table->set[table->count - 1].by : 0; }

/* What the clock said at a real moment. */
static struct timespec shown(struct timespec real) {
    int64_t at = nanoseconds(real), last = table->count;
    while (last && table->set[last - 1].from > at)
        last--;
    return last ? moment(at + table->set[last - 1].by) : real;
}

/* The real moment at which it last said that; one that it left out is the moment at which it was set. */
static struct timespec real(struct timespec said) {
    int64_t at = nanoseconds(said);
    for (int64_t last = table->count; last; last--) {
        int64_t from = table->set[last - 1].from, by = table->set[last - 1].by;
        int64_t before = last > 1 ? table->set[last - 2].by : 0;
        if (at - by >= from)
            return moment(at - by);
        if (at - before >= from)
            return moment(from);
    }
    return said;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        *at = moment(nanoseconds(*at) + wrong_by());
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *at = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return at ? (*at = now.tv_sec) : now.tv_sec;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
    struct timespec end = moment(nanoseconds(*until) - wrong_by());
    return sem_clockwait(semaphore, CLOCK_REALTIME, &end);
}

static int look(int directory, const char *path, struct stat *found, int flags) {
    int failed = syscall(SYS_newfstatat, directory, path, found, flags);
    if (!failed) {
        found->st_atim = shown(found->st_atim);
        found->st_mtim = shown(found->st_mtim);
        found->st_ctim = shown(found->st_ctim);
    }
    return failed;
}

#define STAT struct stat *restrict found
int fstatat(int d, const char *restrict path, STAT, int flags) { return look(d, path, found, flags); }
int stat(const char *restrict path, STAT) { return look(AT_FDCWD, path, found, 0); }
int lstat(const char *restrict path, STAT) { return look(AT_FDCWD, path, found, AT_SYMLINK_NOFOLLOW); }
int fstat(int fd, struct stat *found) { return look(fd, "", found, AT_EMPTY_PATH); }
int fstatat64(int, const char *restrict, struct stat64 *restrict, int) __attribute__((alias("fstatat")));
int stat64(const char *restrict, struct stat64 *restrict) __attribute__((alias("stat")));
int lstat64(const char *restrict, struct stat64 *restrict) __attribute__((alias("lstat")));
int fstat64(int, struct stat64 *) __attribute__((alias("fstat")));

static struct timespec stamp(struct timespec said) {
    return said.tv_nsec == UTIME_NOW || said.tv_nsec == UTIME_OMIT ? said : real(said);
}

static int put_stamps(int directory, const char *path, const struct timespec *said, int flags) {
    struct timespec both[2];
    if (said) {
        both[0] = stamp(said[0]);
        both[1] = stamp(said[1]);
    }
    return syscall(SYS_utimensat, directory, path, said ? both : NULL, flags);
}

int utimensat(int directory, const char *path, const struct timespec said[2], int flags) {
    return put_stamps(directory, path, said, flags);
}
int futimens(int fd, const struct timespec said[2]) { return put_stamps(fd, NULL, said, 0); }
