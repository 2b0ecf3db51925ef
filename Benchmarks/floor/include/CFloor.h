// The floor: an HTTP/1.1 client and server written straight onto epoll, without any runtime. What they cost is what the
// kernel costs; a runtime is measured by how little it adds. One thread, no global state, addresses in IPv4 only.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// System calls made, by kind.
struct floor_calls {
    uint64_t send;
    uint64_t receive;
    uint64_t poll;
    uint64_t other;
};

// Where requests go: `GET path` at ip:port.
struct floor_target {
    const char *ip;
    uint16_t port;
    const char *path;
};

// MARK: The client (client.c)

struct floor_client {
    // The order.
    struct floor_target target;
    long requests;
    int connections;
    // So many requests a connection sends with one write; the next follow when all of these are answered. At least 1.
    int pipelined;
    // Header fields of a request: Host, then Accept, then others. At least 1.
    int fields;
    // Room for `requests` latencies in nanoseconds, from the request (or, for the first of a connection, from connect)
    // to the end of its response; 4.29 s is the longest it can say. NULL: not wanted, and then it costs nothing.
    uint32_t *latencies;
    // NULL, or called twice while no request is under way: when each connection has been used, by requests that are not
    // counted, and when all that count are answered. The connections are closed after that, with a reset.
    void (*pause)(void *context);
    void *context;

    // What came of it.
    long answered;
    uint64_t body_bytes;
    struct floor_calls calls;
    const char *failure;
};

// Makes the requests over keep-alive connections, and returns when all are answered with 200. Returns -1, and says why in
// `failure`, on any other answer, and when nothing happens for ten seconds.
int floor_client_run(struct floor_client *client);

// MARK: The server (server.c)

struct floor_server {
    // The order: a socket from floor_listen, and a descriptor whose end (or first byte) ends the server; -1 for none.
    int listener;
    int lifeline;

    // What came of it.
    uint64_t requests;
    struct floor_calls calls;
    const char *failure;
};

// Listens on 127.0.0.1. `port` 0 lets the kernel choose; it holds the real port afterwards. -1 and errno on failure.
int floor_listen(uint16_t *port);

// The body of `/chunked`, and the events of `/events`, of this server and of Leat's.
#define FLOOR_LONG_BODY (1 << 20)
#define FLOOR_EVENTS 100
#define FLOOR_EVENT "data: what has happened, in a few words\n\n"

// Answers every request with 200 and the 13 bytes `Hello, World!`; `/delay/MS` does so MS milliseconds later, `/bytes/N`
// answers with N zeros, at most 1 GiB, `/chunked` with chunks of zeros, and `/events` with small chunks, in one write. Drops
// the body of a request, if it has a Content-Length. Keeps connections alive, answers pipelined requests in order, short answers to
// those of one read with one write. Returns 0 when the lifeline ends, and -1 if the server cannot go on; connections that
// are open then end with the process.
int floor_server_run(struct floor_server *server);

// MARK: Idle connections (holder.c)

// What is done with a connection: a GET, or a POST of so many zeros; then 200 with a body of so many bytes is read.
struct floor_use {
    struct floor_target target;
    size_t upload;
    size_t answer;
};

// Opens `count` connections one by one and uses each once. Returns how many it opened; less than `count` means that one
// failed, with the reason in errno: EBADMSG for another answer than the one expected.
int floor_hold(struct floor_use use, int count, int *sockets);

// Uses each of the sockets once. Returns how many were answered.
int floor_hold_ask(struct floor_use use, int count, const int *sockets);

// Closes them with a reset, so that no thousands of them linger in TIME_WAIT.
void floor_hold_close(int count, const int *sockets);

// MARK: The process (process.c): what Swift cannot call because it is variadic or a macro

// Has the kernel kill this process when the thread that started it ends.
void floor_die_with_parent(void);

// The processors this thread may run on. Returns how many were written to `cpus`.
int floor_allowed_cpus(int *cpus, int capacity);

// Restricts this thread, and what it starts from now on, to these processors.
int floor_restrict_to_cpus(const int *cpus, int count);

// MARK: The heap (heap.c)

// Calls of malloc, calloc, realloc and their aligned kin that this thread has made, or -1 if this build does not count
// them.
int64_t floor_heap_allocations(void);

// Bytes that malloc has handed out and not got back.
size_t floor_heap_in_use(void);

// Gives free memory of the heap back to the kernel.
void floor_heap_trim(void);
