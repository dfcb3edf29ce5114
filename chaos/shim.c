/* Faults below the gateway: a clock that steps, a disk that fails or is slow.

   Loaded with LD_PRELOAD.  What is wrong stands in a file of five numbers that
   CHAOS_SHIM names and that is mapped, so that it changes while the process runs:
   struct faults, below.  Only files with "journal" in their path are concerned. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
    int64_t clock_ns;   /* added to CLOCK_REALTIME */
    int32_t sync_errno; /* of fsync and fdatasync */
    int32_t sync_ms;    /* that they take longer */
    int32_t write_errno;/* of write and pwrite */
    int32_t unused;
};

static volatile struct faults none;
static volatile struct faults *faults = &none;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CHAOS_SHIM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED)
        faults = found;
}

static int is_journal(int file)
{
    char link[64], path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return path[0] == '/' && strstr(path, "journal") != NULL;
}

/* the clock */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real ? real(clock, now) : (int)syscall(SYS_clock_gettime, clock, now);
    int64_t more = faults->clock_ns;
    if (done || clock != CLOCK_REALTIME || !more)
        return done;
    int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec + more;
    now->tv_sec = ns / 1000000000LL;
    now->tv_nsec = ns % 1000000000LL;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec found;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &found))
        return -1;
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told)
        *told = now.tv_sec;
    return now.tv_sec;
}

/* the disk */

static int sync_fault(int file)
{
    int ms = faults->sync_ms, number = faults->sync_errno;
    if ((!ms && !number) || !is_journal(file))
        return 0;
    if (ms)
        usleep(1000 * ms);
    return number;
}

int fsync(int file)
{
    int number = sync_fault(file);
    if (!number)
        return (int)syscall(SYS_fsync, file);
    errno = number;
    return -1;
}

int fdatasync(int file)
{
    int number = sync_fault(file);
    if (!number)
        return (int)syscall(SYS_fdatasync, file);
    errno = number;
    return -1;
}

static int write_fault(int file)
{
    int number = faults->write_errno;
    return number && is_journal(file) ? number : 0;
}

ssize_t write(int file, const void *octets, size_t count)
{
    int number = write_fault(file);
    if (!number)
        return syscall(SYS_write, file, octets, count);
    errno = number;
    return -1;
}

ssize_t pwrite64(int file, const void *octets, size_t count, off64_t at)
{
    int number = write_fault(file);
    if (!number)
        return syscall(SYS_pwrite64, file, octets, count, at);
    errno = number;
    return -1;
}

ssize_t pwrite(int file, const void *octets, size_t count, off_t at)
{
    return pwrite64(file, octets, count, at);
}
