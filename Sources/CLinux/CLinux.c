#define _GNU_SOURCE
#include "CLinux.h"
#include <pthread.h>
#include <stdlib.h>

_Thread_local struct clinux_call_counts clinux_thread_calls;
_Thread_local void *clinux_thread_loop;
_Thread_local void *clinux_thread_faults;

static int fork_count;

static void count_fork(void) { fork_count++; }

static void register_fork_handler(void) { pthread_atfork(NULL, NULL, count_fork); }

int clinux_fork_count(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, register_fork_handler);
    return fork_count;
}

int clinux_accept(int fd, struct sockaddr *address, socklen_t *length) {
    return accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

// glibc learns from the blocks it frees: it takes blocks up to the largest of them from the heap, and leaves twice as much
// free at a heap's end (mallopt(3), M_MMAP_THRESHOLD). So it is shown one, of which only the first page is touched. A program that has set
// either threshold itself has switched that off, and is not overruled.
void clinux_keep_freed_memory(void) {
    void *volatile block = malloc(16 << 20);
    free(block);
}
