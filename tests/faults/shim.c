// SPDX-License-Identifier: GPL-3.0-or-later
// Preloaded into a node under test: makes the n-th call that concerns the state folder fail, tear or
// be the last one (R2, R3, R4), shortens, interrupts and puts off reads and writes (R5), lets syncs lie (R6),
// moves the wall clock (R14), and keeps account of what was synced, which is what a power cut must
// not lose (R1). Steered through a file that both sides map; its layout is in tests/apt/shim.py.
//
// Calls go straight to the kernel, so that the order of libraries does not matter. Counting is over
// all threads. The calls counted are those that change what is on the disk (and, with reads=1, those
// that read it): a kill between any two others leaves the same disk.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { kill_before = -1, tear_and_kill = -2 };
enum { most_descriptors = 65536, other_file = 1, journal_file = 2, blob_folder = 3 };

struct control {
    _Atomic int64_t clock_offset_s;
    _Atomic uint64_t calls;      // counted since the test last set it to 0
    _Atomic uint64_t at;         // the call that is hit; 0: none
    _Atomic int32_t action;      // an errno, or one of the above
    _Atomic int32_t stays;       // every call from `at` on is hit
    _Atomic int32_t reads;       // count reading calls as well
    _Atomic int32_t lies;        // fdatasync does nothing: names reach the disk, bytes do not
    _Atomic uint64_t seed;       // of short reads and writes; 0: none
    _Atomic uint64_t shortened;  // how many were
    _Atomic uint64_t journal_written, journal_synced;
    _Atomic uint64_t begun[256], linked[256], synced[256];  // links in each folder of blobs
    char hit[256];               // the last call that was hit, and its path where it has one
    char only[32];               // the kind of calls that counts; empty: all
    _Atomic uint64_t put_off;    // how many of `shortened` came to nothing, with EAGAIN
};

static struct control* control;
static char state[4096];
static size_t state_length;
static unsigned char kinds[most_descriptors];  // of open descriptors: 0 is none of the state's
static pid_t node;
static struct epoll_event watched[most_descriptors];  // how each descriptor is watched
static int watchers[most_descriptors];                // by which epoll, plus one; 0: by none

__attribute__((constructor)) static void begin(void)
{
    const char* file = getenv("APTWARD_SHIM");
    const char* folder = getenv("APTWARD_SHIM_STATE");
    if (!file || !folder)
        return;
    long fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    long at = syscall(SYS_mmap, 0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at == -1)
        return;
    state_length = strlen(folder);
    memcpy(state, folder, state_length + 1);
    node = (pid_t)syscall(SYS_getpid);
    control = (struct control*)at;
}

static int is_ours(const char* path)
{
    return control && strncmp(path, state, state_length) == 0 &&
           (path[state_length] == '/' || path[state_length] == 0);
}

static unsigned char kind_of(int fd)
{
    return control && fd >= 0 && fd < most_descriptors ? kinds[fd] : 0;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Which of the 256 folders under blobs/sha256 a path is in or names; -1: none.
static int folder_of(const char* path)
{
    const char* found = strstr(path, "/blobs/sha256/");
    if (!found || hex(found[14]) < 0 || hex(found[15]) < 0)
        return -1;
    return hex(found[14]) * 16 + hex(found[15]);
}

static void die(void)
{
    syscall(SYS_kill, node, SIGKILL);
    for (;;)
        syscall(SYS_pause);
}

// Counts one call. 0: go on; 1: fail with errno as set; 2: do half of it, then die.
static int judge(const char* name, int is_read)
{
    if (is_read && !atomic_load(&control->reads))
        return 0;
    if (control->only[0] && strncmp(control->only, name, sizeof control->only) != 0)
        return 0;
    uint64_t at = atomic_load(&control->at);
    uint64_t number = atomic_fetch_add(&control->calls, 1) + 1;
    if (at == 0 || number < at || (number > at && !atomic_load(&control->stays)))
        return 0;
    if ((pid_t)syscall(SYS_getpid) != node)
        return 0;
    strncpy(control->hit, name, sizeof control->hit - 1);
    int32_t action = atomic_load(&control->action);
    if (action == kill_before)
        die();
    if (action == tear_and_kill)
        return 2;
    errno = action;
    return 1;
}

static void describe(const char* path)
{
    size_t length = strlen(control->hit);
    control->hit[length] = ' ';
    strncpy(control->hit + length + 1, path + state_length, sizeof control->hit - length - 2);
}

static int path_of(int fd, char* path, size_t room)
{
    char link[64] = "/proc/self/fd/", digits[16];
    int length = 0, i = 14;
    for (int rest = fd; rest > 0 || length == 0; rest /= 10)
        digits[length++] = (char)('0' + rest % 10);
    while (length > 0)
        link[i++] = digits[--length];
    link[i] = 0;
    long got = syscall(SYS_readlinkat, AT_FDCWD, link, path, room - 1);
    if (got <= 0)
        return 0;
    path[got] = 0;
    return 1;
}

// As judge, of an open file.
static int judge_file(const char* name, int is_read, int fd)
{
    int verdict = judge(name, is_read);
    int error = errno;
    char path[4096];
    if (verdict && path_of(fd, path, sizeof path) && is_ours(path))
        describe(path);
    errno = error;
    return verdict;
}

static uint64_t chance(void)
{
    uint64_t x = atomic_fetch_add(&control->seed, 0x9e3779b97f4a7c15ULL) + 0x9e3779b97f4a7c15ULL;
    if (x == 0)
        atomic_store(&control->seed, 1);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static int is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof type;
    return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_STREAM;
}

static int is_pipe(int fd)
{
    struct stat status;
    return syscall(SYS_fstat, fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

// As if what is there came a moment later: who is told of changes only is told once more. Not for a
// pipe: when its writer has ended, all is there, and it says EAGAIN by itself until then.
static int put_off(int fd)
{
    if ((syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK) == 0)
        return 0;
    if (fd < most_descriptors && watchers[fd] != 0)
        syscall(SYS_epoll_ctl, watchers[fd] - 1, EPOLL_CTL_MOD, fd, &watched[fd]);
    atomic_fetch_add(&control->put_off, 1);
    return 1;
}

// Shortens a transfer, or interrupts it or puts it off (returns -1 with errno set).
static int shorten(int fd, size_t* count)
{
    if (!control || atomic_load(&control->seed) == 0 || *count <= 16 ||
        (pid_t)syscall(SYS_getpid) != node)
        return 0;
    int before = errno;
    int is_socket = !kind_of(fd) && is_stream(fd);
    int is_eligible = kind_of(fd) || is_socket || is_pipe(fd);
    errno = before;
    if (!is_eligible)
        return 0;
    uint64_t x = chance();
    if (x % 8 >= 5)
        return 0;
    if (x % 8 == 4) {
        if (!is_socket || !put_off(fd))
            return 0;
        atomic_fetch_add(&control->shortened, 1);
        errno = EAGAIN;
        return -1;
    }
    atomic_fetch_add(&control->shortened, 1);
    if (x % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    *count = 1 + (x >> 8) % (*count - 1);
    return 0;
}

static int opened(int dirfd, const char* path, int flags, mode_t mode)
{
    int ours = is_ours(path);
    int is_read = (flags & (O_ACCMODE | O_CREAT)) == O_RDONLY;
    if (ours && judge(is_read ? "open for reading" : "open for writing", is_read)) {
        describe(path);
        return -1;
    }
    int fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (control && fd >= 0 && fd < most_descriptors) {
        size_t length = strlen(path);
        kinds[fd] = !ours                                                       ? 0
                    : length > 8 && strcmp(path + length - 8, "/journal") == 0  ? journal_file
                    : (flags & O_DIRECTORY) && folder_of(path) >= 0 && path[length - 3] == '/'
                        ? blob_folder
                        : other_file;
    }
    return fd;
}

#define OPEN_MODE                                \
    mode_t mode = 0;                             \
    if (flags & (O_CREAT | __O_TMPFILE)) {       \
        va_list list;                            \
        va_start(list, flags);                   \
        mode = (mode_t)va_arg(list, unsigned);   \
        va_end(list);                            \
    }

int open(const char* path, int flags, ...)
{
    OPEN_MODE return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...)
{
    OPEN_MODE return opened(AT_FDCWD, path, flags, mode);
}
int openat(int dirfd, const char* path, int flags, ...)
{
    OPEN_MODE return opened(dirfd, path, flags, mode);
}
int openat64(int dirfd, const char* path, int flags, ...)
{
    OPEN_MODE return opened(dirfd, path, flags, mode);
}
int __open_2(const char* path, int flags)
{
    return opened(AT_FDCWD, path, flags, 0);
}
int __open64_2(const char* path, int flags)
{
    return opened(AT_FDCWD, path, flags, 0);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event)
{
    int done = (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
    if (control && done == 0 && fd >= 0 && fd < most_descriptors) {
        watchers[fd] = operation == EPOLL_CTL_DEL ? 0 : epoll + 1;
        if (event)
            watched[fd] = *event;
    }
    return done;
}

int close(int fd)
{
    if (fd >= 0 && fd < most_descriptors)
        watchers[fd] = 0;
    if (kind_of(fd)) {
        kinds[fd] = 0;
        if (judge("close", 0)) {
            int error = errno;
            syscall(SYS_close, fd);  // Linux closes it all the same
            errno = error;
            return -1;
        }
    }
    return (int)syscall(SYS_close, fd);
}

static int made(const char* name, const char* path)
{
    if (!is_ours(path) || !judge(name, 0))
        return 0;
    describe(path);
    return 1;
}

int mkdir(const char* path, mode_t mode)
{
    return made("mkdir", path) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}
int rename(const char* from, const char* to)
{
    return made("rename", to) ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}
int unlink(const char* path)
{
    return made("unlink", path) ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int remove(const char* path)
{
    if (made("remove", path))
        return -1;
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    return done < 0 && errno == EISDIR ? (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR)
                                       : done;
}
int linkat(int from_fd, const char* from, int to_fd, const char* to, int flags)
{
    if (made("linkat", to))
        return -1;
    // Stopped between the two counts, nobody knows whether the link is there: it counts as not synced.
    int folder = folder_of(to);
    if (control && folder >= 0)
        atomic_fetch_add(&control->begun[folder], 1);
    int done = (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags), error = errno;
    if (control && folder >= 0)
        atomic_fetch_add(&control->linked[folder], 1);
    errno = error;
    return done;
}

static int synced(int fd, long number, const char* name)
{
    unsigned char kind = kind_of(fd);
    if (kind && judge_file(name, 0, fd))
        return -1;
    if (kind && number == SYS_fdatasync && atomic_load(&control->lies))
        return 0;
    int folder = -1;
    uint64_t links = 0, written = control ? atomic_load(&control->journal_written) : 0;
    char path[4096];
    if (kind == blob_folder && path_of(fd, path, sizeof path)) {
        folder = folder_of(path);
        links = folder >= 0 ? atomic_load(&control->linked[folder]) : 0;
    }
    int done = (int)syscall(number, fd);
    if (done == 0 && folder >= 0 && atomic_load(&control->synced[folder]) < links)
        atomic_store(&control->synced[folder], links);
    if (done == 0 && kind == journal_file)
        atomic_store(&control->journal_synced, written);
    return done;
}
int fsync(int fd)
{
    return synced(fd, SYS_fsync, "fsync");
}
int fdatasync(int fd)
{
    return synced(fd, SYS_fdatasync, "fdatasync");
}

// Of the whole file system: the names in every folder, and the journal, reach the disk with it.
int syncfs(int fd)
{
    if (kind_of(fd) && judge_file("syncfs", 0, fd))
        return -1;
    uint64_t links[256] = {0}, written = 0;
    if (control)
        written = atomic_load(&control->journal_written);
    for (int i = 0; control && i < 256; ++i)
        links[i] = atomic_load(&control->linked[i]);
    int done = (int)syscall(SYS_syncfs, fd);
    if (done != 0 || !control || !kind_of(fd))
        return done;
    for (int i = 0; i < 256; ++i)
        if (atomic_load(&control->synced[i]) < links[i])
            atomic_store(&control->synced[i], links[i]);
    atomic_store(&control->journal_synced, written);
    return done;
}
int sync_file_range(int fd, off64_t offset, off64_t count, unsigned flags)
{
    if (kind_of(fd) && judge_file("sync_file_range", 0, fd))
        return -1;
    return (int)syscall(SYS_sync_file_range, fd, offset, count, flags);
}

static int truncated(int fd, off_t length)
{
    return kind_of(fd) && judge_file("ftruncate", 0, fd) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}
int ftruncate(int fd, off_t length)
{
    return truncated(fd, length);
}
int ftruncate64(int fd, off_t length)
{
    return truncated(fd, length);
}

static ssize_t written(int fd, const void* bytes, size_t count, off_t offset)
{
    int verdict = kind_of(fd) ? judge_file(offset < 0 ? "write" : "pwrite", 0, fd) : 0;
    if (verdict == 1 || shorten(fd, &count))
        return -1;
    if (verdict == 2)
        count /= 2;
    ssize_t done = offset < 0 ? syscall(SYS_write, fd, bytes, count)
                              : syscall(SYS_pwrite64, fd, bytes, count, offset);
    if (done > 0 && kind_of(fd) == journal_file)
        atomic_fetch_add(&control->journal_written, (uint64_t)done);
    if (verdict == 2)
        die();
    return done;
}
ssize_t write(int fd, const void* bytes, size_t count)
{
    return written(fd, bytes, count, -1);
}
ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset)
{
    return written(fd, bytes, count, offset);
}
ssize_t pwrite64(int fd, const void* bytes, size_t count, off_t offset)
{
    return written(fd, bytes, count, offset);
}

static ssize_t taken(int fd, void* bytes, size_t count, off_t offset)
{
    if ((kind_of(fd) && judge_file(offset < 0 ? "read" : "pread", 1, fd)) || shorten(fd, &count))
        return -1;
    return offset < 0 ? syscall(SYS_read, fd, bytes, count)
                      : syscall(SYS_pread64, fd, bytes, count, offset);
}
ssize_t read(int fd, void* bytes, size_t count)
{
    return taken(fd, bytes, count, -1);
}
ssize_t __read_chk(int fd, void* bytes, size_t count, size_t room)
{
    return room < count ? (abort(), 0) : taken(fd, bytes, count, -1);
}
ssize_t pread(int fd, void* bytes, size_t count, off_t offset)
{
    return taken(fd, bytes, count, offset);
}
ssize_t pread64(int fd, void* bytes, size_t count, off_t offset)
{
    return taken(fd, bytes, count, offset);
}
ssize_t __pread_chk(int fd, void* bytes, size_t count, off_t offset, size_t room)
{
    return room < count ? (abort(), 0) : taken(fd, bytes, count, offset);
}
ssize_t __pread64_chk(int fd, void* bytes, size_t count, off_t offset, size_t room)
{
    return room < count ? (abort(), 0) : taken(fd, bytes, count, offset);
}

static ssize_t sent_file(int to, int from, off_t* offset, size_t count)
{
    if ((kind_of(from) && judge_file("sendfile", 1, from)) || shorten(to, &count))
        return -1;
    return syscall(SYS_sendfile, to, from, offset, count);
}
ssize_t sendfile(int to, int from, off_t* offset, size_t count)
{
    return sent_file(to, from, offset, count);
}
ssize_t sendfile64(int to, int from, off_t* offset, size_t count)
{
    return sent_file(to, from, offset, count);
}

ssize_t send(int fd, const void* bytes, size_t count, int flags)
{
    return shorten(fd, &count) ? -1 : syscall(SYS_sendto, fd, bytes, count, flags, 0, 0);
}
ssize_t recv(int fd, void* bytes, size_t count, int flags)
{
    return shorten(fd, &count) ? -1 : syscall(SYS_recvfrom, fd, bytes, count, flags, 0, 0);
}
ssize_t __recv_chk(int fd, void* bytes, size_t count, size_t room, int flags)
{
    return room < count ? (abort(), 0) : recv(fd, bytes, count, flags);
}

int clock_gettime(clockid_t clock, struct timespec* now)
{
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (control && done == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += atomic_load(&control->clock_offset_s);
    return done;
}
time_t time(time_t* to)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to)
        *to = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval* to, void* zone)
{
    (void)zone;
    struct timespec now;
    int done = clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return done;
}
