/* A wall clock and a disk that a test can spoil while a process runs. Preloaded, it adds to CLOCK_REALTIME the seconds
 * that stand first in the file named by CLOCK_AHEAD; every other clock stays as it is. The second number there is the
 * state of the disk under the ledger: 0 fine, 1 does not answer, 2 full, 3 broken. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile const long long *ahead;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("CLOCK_AHEAD");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(0, 2 * sizeof(long long), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) ahead = page;
}

int clock_gettime(clockid_t id, struct timespec *at) {
  long result = syscall(SYS_clock_gettime, id, at);
  if (result == 0 && id == CLOCK_REALTIME && ahead) at->tv_sec += *ahead;
  return (int)result;
}

/* Whether a write fails now; returns once the disk answers. */
static int fails(int file) {
  if (!ahead || !ahead[1]) return 0;
  char link[32], path[512];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (!strstr(path, "ledger.sqlite")) return 0;
  while (ahead[1] == 1) usleep(10000);
  if (ahead[1] == 2) errno = ENOSPC;
  if (ahead[1] == 3) errno = EIO;
  return ahead[1] > 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
  return fails(file) ? -1 : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  return fails(file) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  return fails(file) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}

int fsync(int file) { return fails(file) ? -1 : (int)syscall(SYS_fsync, file); }

int fdatasync(int file) { return fails(file) ? -1 : (int)syscall(SYS_fdatasync, file); }

int ftruncate(int file, off_t length) { return fails(file) ? -1 : (int)syscall(SYS_ftruncate, file, length); }

int ftruncate64(int file, off64_t length) { return fails(file) ? -1 : (int)syscall(SYS_ftruncate, file, length); }
