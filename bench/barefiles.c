/*
 * Shows what a disk can do with the files of a delivery and nothing else: one is written in tmp/, fsynced and
 * renamed to new/, and new/ is fsynced. It is in C so that it is a bound: threads cost nothing, and the write-out
 * of a file can be begun early.
 *
 *   barefiles threads N SECONDS DIRECTORY MAILBOXES BYTES
 *     N threads, each with one file at a time
 *   barefiles serving N SECONDS DIRECTORY MAILBOXES BYTES
 *     The same, and each file then takes 0.5 ms of CPU of one thread common to all and 0.2 ms of another: what a
 *     server's one JavaScript thread and the client on the same machine take. Shows what the best of servers could
 *     reach that needs this time, here and on these processors.
 *   barefiles batches N SECONDS DIRECTORY MAILBOXES BYTES
 *     Batches of at most 20, side by side so that N files are under way. All files of a batch are written, and
 *     their write-out is begun, before the first is fsynced. A directory is fsynced once in a batch.
 *
 * Prints files a second, and the median and the 99th percentile of the milliseconds from the creation of a file
 * (or of the first of its batch) to the last fsync.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SERVER_US = 500, CLIENT_US = 200 };
enum { BATCH = 20, PATH_BYTES = 1000, MOST_THREADS = 1000, MOST_LATENCIES = 1 << 20 };

static const char *root;
static int mailboxes, batch_files, bytes, is_serving;
static double settled, end; /* what ends in between counts */
static char *content;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, server = PTHREAD_MUTEX_INITIALIZER,
                       client = PTHREAD_MUTEX_INITIALIZER;
static long files;
static int latencies;
static double latency[MOST_LATENCIES];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* Uses CPU time that others have to wait for. */
static void use(pthread_mutex_t *thread, int us) {
  struct timespec t;
  long until;
  pthread_mutex_lock(thread);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  until = t.tv_sec * 1000000 + t.tv_nsec / 1000 + us;
  do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  while (t.tv_sec * 1000000 + t.tv_nsec / 1000 < until);
  pthread_mutex_unlock(thread);
}

static void must(int is_good, const char *what) {
  if (is_good) return;
  perror(what);
  exit(1);
}

static void count(double start, int done) {
  double over = now();
  if (over < settled || over > end) return;
  pthread_mutex_lock(&lock);
  files += done;
  if (latencies < MOST_LATENCIES) latency[latencies++] = (over - start) * 1000;
  pthread_mutex_unlock(&lock);
}

static void name(char *path, int mailbox, const char *in, int worker, int file) {
  snprintf(path, PATH_BYTES, "%s/%d/%s/%d.%d", root, mailbox, in, worker, file);
}

static int create(const char *path) {
  int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
  must(fd >= 0, "open");
  must(write(fd, content, bytes) == bytes, "write");
  return fd;
}

static void finish(int fd) {
  must(fsync(fd) == 0, "fsync");
  must(close(fd) == 0, "close");
}

static void sync_new(int mailbox) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%d/new", root, mailbox);
  int fd = open(path, O_RDONLY | O_DIRECTORY);
  must(fd >= 0, "open new/");
  finish(fd);
}

static void *one_by_one(void *argument) {
  int worker = (int)(long)argument;
  char from[PATH_BYTES], to[PATH_BYTES];
  for (int file = 0; now() < end; file++) {
    int mailbox = (worker + file) % mailboxes;
    double start = now();
    name(from, mailbox, "tmp", worker, file);
    name(to, mailbox, "new", worker, file);
    finish(create(from));
    must(rename(from, to) == 0, "rename");
    sync_new(mailbox);
    if (is_serving) use(&server, SERVER_US);
    if (is_serving) use(&client, CLIENT_US);
    count(start, 1);
  }
  return NULL;
}

static void *in_batches(void *argument) {
  int worker = (int)(long)argument;
  int first_mailbox = worker * batch_files, fds[BATCH];
  char from[PATH_BYTES], to[PATH_BYTES];
  for (int first = 0; now() < end; first += batch_files) {
    double start = now();
    for (int i = 0; i < batch_files; i++) {
      name(from, (first_mailbox + first + i) % mailboxes, "tmp", worker, first + i);
      fds[i] = create(from);
      must(sync_file_range(fds[i], 0, 0, SYNC_FILE_RANGE_WRITE) == 0, "sync_file_range");
    }
    for (int i = 0; i < batch_files; i++) finish(fds[i]);
    for (int i = 0; i < batch_files; i++) {
      int mailbox = (first_mailbox + first + i) % mailboxes;
      name(from, mailbox, "tmp", worker, first + i);
      name(to, mailbox, "new", worker, first + i);
      must(rename(from, to) == 0, "rename");
    }
    for (int i = 0; i < batch_files && i < mailboxes; i++) sync_new((first_mailbox + first + i) % mailboxes);
    count(start, batch_files);
  }
  return NULL;
}

static void make_mailboxes(void) {
  char path[PATH_BYTES];
  mkdir(root, 0755);
  for (int mailbox = 0; mailbox < mailboxes; mailbox++) {
    const char *parts[] = {"", "/tmp", "/new"};
    for (int i = 0; i < 3; i++) {
      snprintf(path, sizeof path, "%s/%d%s", root, mailbox, parts[i]);
      must(mkdir(path, 0755) == 0, "mkdir");
    }
  }
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc != 7) return 64;
  is_serving = strcmp(argv[1], "serving") == 0;
  int is_batches = strcmp(argv[1], "batches") == 0;
  int at_once = atoi(argv[2]);
  double seconds = atof(argv[3]);
  root = argv[4];
  mailboxes = atoi(argv[5]);
  bytes = atoi(argv[6]);
  content = malloc(bytes);
  memset(content, 'x', bytes);
  make_mailboxes();
  int threads = is_batches ? (at_once + BATCH - 1) / BATCH : at_once;
  batch_files = (at_once + threads - 1) / threads;
  if (threads > MOST_THREADS) return 64;
  pthread_t thread[MOST_THREADS];
  settled = now() + seconds / 4;
  end = settled + seconds;
  for (long i = 0; i < threads; i++)
    must(pthread_create(&thread[i], NULL, is_batches ? in_batches : one_by_one, (void *)i) == 0, "thread");
  for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
  qsort(latency, latencies, sizeof latency[0], ascending);
  double p50 = latencies == 0 ? 0 : latency[latencies / 2];
  double p99 = latencies == 0 ? 0 : latency[latencies * 99 / 100];
  printf("{\"perSecond\":%.1f,\"p50\":%.3f,\"p99\":%.3f}\n", files / seconds, p50, p99);
  return 0;
}
