/*
 * Stands between a program and its C library: writes down what the program does to the files of one
 * directory, in order, and makes calls fail when told to. No sync reaches a disk: what would be on
 * it is told from the record.
 *
 * POWER_DISK is the directory; what is written to the file POWER_CONTROL is a command:
 *
 *   record FILE                    from here on, write down into FILE (append)
 *   record                         no more
 *   mark TEXT                      write this down in its place
 *   arm KINDS NAME N ERRNO TIMES EXTENDING SHORT
 *                                  of the calls of these kinds (see below) on files whose names end
 *                                  in NAME (* for all), the Nth and what follows it fail, TIMES of
 *                                  them (-1: until healed). ERRNO -1 kills the process instead.
 *                                  EXTENDING: only calls that take space count. SHORT: the write
 *                                  before the first that fails ends half way.
 *   heal                           nothing fails any more
 *
 * The record is a row of heads, each followed by the name and the octets that were written.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define CREATE 'c'
#define WRITE 'w'
#define TRUNCATE 't'
#define SYNC 's'
#define SYNC_DIRECTORY 'd'
#define UNLINK 'u'
#define MARK 'm'

#define FILES 4096
#define NAME 256

struct head {
    char kind;
    char unused[3];
    int32_t error;
    uint64_t inode;
    uint64_t offset; /* of a write; the new length of a truncation */
    uint32_t name;   /* octets of each that follow */
    uint32_t data;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char disk[4096], control[4096];
static char names[FILES][NAME]; /* by descriptor; empty if it is none of ours */
static int control_fd = -1, record_fd = -1;

static struct {
    char kinds[16], name[64];
    long nth, times, seen, fired;
    int error, extending, is_short;
} fault;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static int (*real_ftruncate)(int, off_t);
static int (*real_unlink)(const char *);

__attribute__((constructor)) static void start(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_open = dlsym(RTLD_NEXT, "open64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    const char *of_disk = getenv("POWER_DISK"), *of_control = getenv("POWER_CONTROL");
    snprintf(disk, sizeof disk, "%s", of_disk ? of_disk : "");
    snprintf(control, sizeof control, "%s", of_control ? of_control : "");
}

/* The name within the directory ("." for itself); NULL if the path is none of ours. */
static const char *ours(const char *path) {
    size_t length = strlen(disk);
    if (!length || strncmp(path, disk, length)) return NULL;
    if (!path[length] || (path[length] == '/' && !path[length + 1])) return ".";
    return path[length] == '/' ? path + length + 1 : NULL;
}

static const char *name_of(int fd) {
    return fd >= 0 && fd < FILES && names[fd][0] ? names[fd] : NULL;
}

static struct stat look(int fd) {
    struct stat found;
    memset(&found, 0, sizeof found);
    if (fd >= 0) fstat(fd, &found);
    return found;
}

static void note(char kind, const char *name, uint64_t inode, uint64_t offset, const void *data,
                 size_t octets, int error) {
    if (record_fd < 0) return;
    struct head head = {kind, {0}, error, inode, offset, strlen(name), octets};
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)name, head.name}, {(void *)data, octets}};
    ssize_t all = sizeof head + head.name + octets;
    if (syscall(SYS_writev, record_fd, parts, 3) != all) abort();
}

/* The error that this call is to end with; 0 if none. *octets becomes less if it is to be short. */
static int fails(char kind, const char *name, int takes_space, size_t *octets) {
    size_t length = strlen(name), end = strlen(fault.name);
    if (!fault.nth || !strchr(fault.kinds, kind) || (fault.extending && !takes_space)) return 0;
    int is_named = length >= end && !strcmp(name + length - end, fault.name);
    if (!is_named && strcmp(fault.name, "*")) return 0;
    fault.seen++;
    if (fault.is_short && octets && kind == WRITE && fault.seen == fault.nth && *octets > 1) {
        *octets /= 2;
        fault.nth++; /* the rest of it is the one that fails */
        fault.is_short = 0;
        return 0;
    }
    if (fault.seen < fault.nth || (fault.times >= 0 && fault.fired >= fault.times)) return 0;
    fault.fired++;
    if (fault.error < 0) kill(getpid(), SIGKILL);
    return fault.error;
}

static void command(const char *text, size_t octets) {
    char line[5000], path[4096];
    snprintf(line, sizeof line, "%.*s", (int)octets, text);
    if (!strncmp(line, "record", 6)) {
        if (record_fd >= 0) real_close(record_fd);
        record_fd = -1;
        if (sscanf(line, "record %4095s", path) == 1) {
            record_fd = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            if (record_fd < 0) abort();
        }
    } else if (!strncmp(line, "mark ", 5)) {
        note(MARK, "", 0, 0, line + 5, strlen(line + 5), 0);
    } else if (!strncmp(line, "arm", 3)) {
        memset(&fault, 0, sizeof fault);
        if (sscanf(line, "arm %15s %63s %ld %d %ld %d %d", fault.kinds, fault.name, &fault.nth,
                   &fault.error, &fault.times, &fault.extending, &fault.is_short) != 7) abort();
    } else if (!strncmp(line, "heal", 4)) {
        memset(&fault, 0, sizeof fault);
    } else {
        abort();
    }
}

static int opened(const char *path, int flags, mode_t mode) {
    pthread_mutex_lock(&lock);
    const char *name = ours(path);
    int is_new = name && (flags & O_CREAT) && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
    int error = is_new ? fails(CREATE, name, 1, NULL) : 0;
    int fd = -1;
    if (!error) {
        fd = real_open(path, flags, mode);
        error = fd < 0 ? errno : 0;
    }
    if (fd >= FILES) abort();
    if (fd >= 0) snprintf(names[fd], NAME, "%s", name ? name : "");
    if (fd >= 0 && !strcmp(path, control)) control_fd = fd;
    if (is_new) note(CREATE, name, look(fd).st_ino, 0, "", 0, error);
    if (name && fd >= 0 && (flags & O_TRUNC)) note(TRUNCATE, name, look(fd).st_ino, 0, "", 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

static ssize_t written(int fd, const void *data, size_t octets, off_t offset) {
    pthread_mutex_lock(&lock);
    const char *name = name_of(fd);
    ssize_t result = -1;
    int error = 0;
    if (fd == control_fd && fd >= 0) {
        command(data, octets);
        result = octets;
    } else if (!name) {
        pthread_mutex_unlock(&lock);
        return offset < 0 ? real_write(fd, data, octets) : real_pwrite(fd, data, octets, offset);
    } else {
        struct stat before = look(fd);
        off_t at = offset;
        if (offset < 0) {
            int is_behind = fcntl(fd, F_GETFL) & O_APPEND;
            at = is_behind ? before.st_size : lseek(fd, 0, SEEK_CUR);
        }
        error = fails(WRITE, name, at + (off_t)octets > before.st_size, &octets);
        if (!error) {
            result = offset < 0 ? real_write(fd, data, octets) : real_pwrite(fd, data, octets, at);
            error = result < 0 ? errno : 0;
        }
        note(WRITE, name, before.st_ino, at, data, result < 0 ? 0 : result, error);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static int truncated(int fd, off_t length) {
    pthread_mutex_lock(&lock);
    const char *name = name_of(fd);
    struct stat before = look(fd);
    int error = name ? fails(TRUNCATE, name, length > before.st_size, NULL) : 0;
    if (!error && real_ftruncate(fd, length)) error = errno;
    if (name) note(TRUNCATE, name, before.st_ino, length, "", 0, error);
    pthread_mutex_unlock(&lock);
    errno = error;
    return error ? -1 : 0;
}

static int synced(int fd) {
    pthread_mutex_lock(&lock);
    const char *name = name_of(fd);
    struct stat file = look(fd);
    char kind = S_ISDIR(file.st_mode) ? SYNC_DIRECTORY : SYNC;
    int error = name ? fails(kind, name, 0, NULL) : 0;
    if (name) note(kind, name, file.st_ino, 0, "", 0, error);
    pthread_mutex_unlock(&lock);
    errno = error;
    return error ? -1 : 0;
}

int unlink(const char *path) {
    const char *name = ours(path);
    struct stat file;
    if (!name || lstat(path, &file)) return real_unlink(path);
    pthread_mutex_lock(&lock);
    int error = fails(UNLINK, name, 0, NULL);
    if (!error && real_unlink(path)) error = errno;
    note(UNLINK, name, file.st_ino, 0, "", 0, error);
    pthread_mutex_unlock(&lock);
    errno = error;
    return error ? -1 : 0;
}

int close(int fd) {
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FILES) names[fd][0] = 0;
    if (fd == control_fd) control_fd = -1;
    int result = real_close(fd), error = errno;
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(NAME_)                                      \
    int NAME_(const char *path, int flags, ...) {        \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        mode_t mode = mode_of(flags, rest);              \
        va_end(rest);                                    \
        return opened(path, flags, mode);                \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *data, size_t octets) { return written(fd, data, octets, -1); }
ssize_t pwrite(int fd, const void *data, size_t octets, off_t at) {
    return written(fd, data, octets, at);
}
ssize_t pwrite64(int fd, const void *data, size_t octets, off_t at) {
    return written(fd, data, octets, at);
}
int ftruncate(int fd, off_t length) { return truncated(fd, length); }
int ftruncate64(int fd, off_t length) { return truncated(fd, length); }
int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }
