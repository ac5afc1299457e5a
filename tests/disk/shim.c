/* Preloaded into the real program: fails the calls that a plan names, of those that write to files
 * whose path holds a given text. The plan is shared with the test, which may change it at any time. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Calls so far, those failed, [from, until) to fail, with which error; connects to stop after. */
static volatile struct { uint64_t calls, failed, from, until, error, stops; } *plan;
static const char *wanted;

__attribute__((constructor)) static void begin(void) {
  int file = open(getenv("QABYL_SHIM_PLAN"), O_RDWR);
  plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  wanted = getenv("QABYL_SHIM_PATH");
  if (plan == MAP_FAILED || !wanted) abort();
  close(file);
}

static int fails(int fd) {
  char link[40], path[4096] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (readlink(link, path, sizeof path - 1) < 0 || !strstr(path, wanted)) return 0;
  uint64_t call = __atomic_add_fetch(&plan->calls, 1, __ATOMIC_SEQ_CST);
  if (call < plan->from || call >= plan->until) return 0;
  __atomic_add_fetch(&plan->failed, 1, __ATOMIC_SEQ_CST);
  return errno = (int)plan->error;
}

/* `fits` is done before the failure: a full disk takes what still fits. */
#define CALL(type, name, types, args, fits)                                \
  type name types {                                                        \
    static type (*real) types;                                             \
    if (!real) real = (type (*) types)dlsym(RTLD_NEXT, #name);             \
    int error = fails(fd);                                                 \
    if (!error) return real args;                                          \
    if (error == ENOSPC) { (void)!(fits); }                                \
    errno = error;                                                         \
    return -1;                                                             \
  }
CALL(ssize_t, write, (int fd, const void *from, size_t n), (fd, from, n), real(fd, from, n / 2))
CALL(ssize_t, pwrite, (int fd, const void *from, size_t n, off_t at), (fd, from, n, at), real(fd, from, n / 2, at))
CALL(ssize_t, pwrite64, (int fd, const void *from, size_t n, off64_t at), (fd, from, n, at), real(fd, from, n / 2, at))
CALL(int, fsync, (int fd), (fd), 0)
CALL(int, fdatasync, (int fd), (fd), 0)
CALL(int, ftruncate, (int fd, off_t to), (fd, to), 0)
CALL(int, ftruncate64, (int fd, off64_t to), (fd, to), 0)

/* The process stops between connecting and the first byte. */
int connect(int fd, const struct sockaddr *to, socklen_t size) {
  int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
  int result = real(fd, to, size), error = errno;
  if (plan->stops) { plan->stops--; raise(SIGSTOP); }
  errno = error;
  return result;
}
