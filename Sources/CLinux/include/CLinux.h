// The parts of Glibc that Swift's Glibc module leaves out, and shims for what is a macro or a thread-local.
#pragma once
#include "CLinuxCancellation.h"
#include "CLinuxFiles.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

// Macros and enumerations, with the type that Swift needs them in.
static const uint32_t CLINUX_EPOLLIN = EPOLLIN;
static const uint32_t CLINUX_EPOLLOUT = EPOLLOUT;
static const uint32_t CLINUX_EPOLLRDHUP = EPOLLRDHUP;
static const uint32_t CLINUX_EPOLLERR = EPOLLERR;
static const uint32_t CLINUX_EPOLLHUP = EPOLLHUP;
static const uint32_t CLINUX_EPOLLET = EPOLLET;
static const int CLINUX_EPOLL_CLOEXEC = EPOLL_CLOEXEC;
static const int CLINUX_EVENTFD_FLAGS = EFD_CLOEXEC | EFD_NONBLOCK;
static const int CLINUX_TIMERFD_FLAGS = TFD_CLOEXEC | TFD_NONBLOCK;
static const int CLINUX_SOCKET_FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC;
static const int CLINUX_TIMER_ABSTIME = TFD_TIMER_ABSTIME;

// What this thread's system calls came to; see SystemCalls.swift.
struct clinux_call_counts {
    uint64_t send;
    uint64_t receive;
    uint64_t poll;
    uint64_t other;
};

// Per-thread state. Thread-locals cannot be declared in Swift, so they live here behind accessors.
extern _Thread_local struct clinux_call_counts clinux_thread_calls;
extern _Thread_local void *clinux_thread_loop;
extern _Thread_local void *clinux_thread_faults;

static inline struct clinux_call_counts *clinux_calls(void) { return &clinux_thread_calls; }
static inline void *clinux_current_loop(void) { return clinux_thread_loop; }
static inline void clinux_set_current_loop(void *loop) { clinux_thread_loop = loop; }
static inline void *clinux_current_faults(void) { return clinux_thread_faults; }
static inline void clinux_set_current_faults(void *faults) { clinux_thread_faults = faults; }

// How many forks lie between this process and the first that asked: a loop does not survive one.
int clinux_fork_count(void);

// Has malloc keep up to 32 MiB of freed memory in each of its heaps for the next blocks, where it would return it to the kernel and get it back
// page by page, each with a fault.
void clinux_keep_freed_memory(void);

// zlib's z_stream, so that the library can be loaded at run time and no header of it is needed to build. The layout has
// been the same since zlib 1.0.
struct clinux_zlib_stream {
    const uint8_t *next_in;
    unsigned int avail_in;
    unsigned long total_in;
    uint8_t *next_out;
    unsigned int avail_out;
    unsigned long total_out;
    const char *msg;
    void *state;
    void *zalloc;
    void *zfree;
    void *opaque;
    int data_type;
    unsigned long adler;
    unsigned long reserved;
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct clinux_zlib_stream) == 112, "z_stream has 112 bytes");

// accept4(2), non-blocking and close-on-exec. Not inline: its declaration needs _GNU_SOURCE, and under that fd_set has
// another field name than in Swift's Glibc module, with which this one must agree.
int clinux_accept(int fd, struct sockaddr *address, socklen_t *length);
